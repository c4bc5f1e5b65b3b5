package sinktask

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// intent is what a partition's consumer-group commit carries while a flush is under way: offset
// s is committed with it before anything of the range [s, End) reaches the target. Whoever reads
// it, this process or the partition's next owner, finishes exactly that range under the same id
// before choosing another, so every write that can ever happen from s on has the same end; and
// the broker refuses it to a member that has lost the partition, which then writes nothing.
type intent struct {
	Version int    `json:"v"`
	End     int64  `json:"end"`
	ID      string `json:"id"`  // 32 hex digits
	Config  string `json:"cfg"` // 8 hex digits of the settings that the range is written with
	Time    int64  `json:"t"`   // milliseconds since 1970

	committed bool
}

const intentVersion = 1

// newIntent is the intent to flush up to end. Its id is random: one made of topic, partition and
// offsets would repeat for a topic that is created anew, and a target would drop its rows as
// written before.
func newIntent(end int64, config string) *intent {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return &intent{Version: intentVersion, End: end, ID: hex.EncodeToString(id[:]), Config: config, Time: time.Now().UnixMilli()}
}

func (i *intent) metadata() string {
	text, _ := json.Marshal(i) // numbers and hex digits
	return string(text)
}

// parseIntent is the intent in the metadata of a committed offset, nil when there is none.
// Metadata of other programs is none: the Java client leaves it empty, tools write free text.
func parseIntent(metadata string, offset int64) (*intent, error) {
	var i intent
	if json.Unmarshal([]byte(metadata), &i) != nil || i.Version == 0 || i.ID == "" {
		return nil, nil
	}
	if i.Version != intentVersion {
		return nil, fmt.Errorf("the committed offset %d carries a flush of version %d, which this connectd does not know; run the one that wrote it, or reset the group's offset", offset, i.Version)
	}
	if i.End <= offset {
		return nil, fmt.Errorf("the committed offset %d carries a flush that ends at %d, before it begins; reset the group's offset", offset, i.End)
	}
	i.committed = true
	return &i, nil
}
