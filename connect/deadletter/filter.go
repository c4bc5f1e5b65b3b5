package deadletter

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Filter says which letters are meant. Its zero value means all of them.
type Filter struct {
	Connector   string         // who could not process the record; "" for any
	Topic       string         // of origin; "" for any
	Partition   int32          // of origin; looked at when OnPartition is set
	OnPartition bool           //
	Offsets     *Offsets       // of origin; nil for any
	Cause       *regexp.Regexp // somewhere in the cause; nil for any
}

// Offsets are those from First to Last.
type Offsets struct{ First, Last int64 }

// ParseOffsets reads 17 or 17-42.
func ParseOffsets(text string) (*Offsets, error) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	var o Offsets
	var err error
	if o.First, err = strconv.ParseInt(first, 10, 64); err == nil {
		o.Last, err = strconv.ParseInt(last, 10, 64)
	}
	if err != nil || o.Last < o.First {
		return nil, fmt.Errorf("%q is no range of offsets; write FIRST-LAST, such as 100-250, or one offset", text)
	}
	return &o, nil
}

// Takes says whether l is meant.
func (f *Filter) Takes(l *Letter) bool {
	switch {
	case f.Connector != "" && l.Connector != f.Connector,
		f.Topic != "" && l.Origin.Topic != f.Topic,
		f.OnPartition && (!l.Known() || l.Origin.ID != f.Partition),
		f.Offsets != nil && (!l.Known() || l.Origin.Offset < f.Offsets.First || l.Origin.Offset > f.Offsets.Last),
		f.Cause != nil && !f.Cause.MatchString(l.Cause):
		return false
	}
	return true
}
