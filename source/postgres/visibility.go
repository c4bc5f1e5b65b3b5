package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// visibility says which transactions a snapshot of the database shows.
type visibility struct {
	xmin, xmax uint32   // all before xmin are shown, none from xmax on
	open       []uint32 // between the two, those that are not shown
	vague      bool     // of those between the two nothing is known
}

// parseVisibility parses what pg_current_snapshot returns, such as "738:742:738,740". A standby
// leaves the list empty whatever it shows.
func parseVisibility(text string, standby bool) (visibility, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 {
		return visibility{}, fmt.Errorf("%q is not a snapshot", text)
	}
	list := parts[:2]
	if parts[2] != "" {
		list = append(list, strings.Split(parts[2], ",")...)
	}
	ids := make([]uint32, len(list))
	for i, part := range list {
		id, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return visibility{}, fmt.Errorf("%q is not a snapshot: %w", text, err)
		}
		ids[i] = uint32(id) // the stream has the low half only
	}
	return visibility{xmin: ids[0], xmax: ids[1], open: ids[2:], vague: standby}, nil
}

// shows says whether the snapshot shows what transaction xid, which has committed, has done.
// Ids are a circle: those less than half of it apart compare as their difference does.
func (v *visibility) shows(xid uint32) bool {
	switch {
	case int32(xid-v.xmax) >= 0:
		return false
	case int32(xid-v.xmin) < 0:
		return true
	}
	return !v.vague && !slices.Contains(v.open, xid)
}
