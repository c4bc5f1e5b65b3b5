package deadletter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"connectd/kafka"
	"connectd/record"
)

// Done is which letters of one partition of a dead-letter topic were sent back: all below Next, and
// those in Ranges above it, which filters have made. It is kept as a committed offset of the
// connector's replay group, Ranges in its metadata.
type Done struct {
	Next   int64
	Ranges [][2]int64 // [from, end), ascending, not touching
}

// GroupOf is the group that keeps what was sent back of a connector's letters.
func GroupOf(connector string) string { return "connectd-dlq-" + connector }

// maxMetadata is Kafka's offset.metadata.max.bytes by default.
const maxMetadata = 4096

type metadata struct {
	Version int        `json:"v"`
	Done    [][2]int64 `json:"done"`
}

// ParseDone reads what Commit writes.
func ParseDone(c kafka.Commit) (Done, error) {
	d := Done{Next: max(0, c.Offset)}
	if c.Metadata == "" {
		return d, nil
	}
	var m metadata
	if err := json.Unmarshal([]byte(c.Metadata), &m); err != nil || m.Version != 1 {
		return d, fmt.Errorf("the replay offset %d of %s carries %q, which this connectd does not know; run the one that wrote it", c.Offset, c.Partition, c.Metadata)
	}
	d.Ranges = m.Done
	return d, nil
}

// Commit is d as the group's offset of p.
func (d *Done) Commit(p record.Partition) (kafka.Commit, error) {
	c := kafka.Commit{Partition: p, Offset: d.Next}
	if len(d.Ranges) > 0 {
		text, _ := json.Marshal(metadata{1, d.Ranges}) // numbers
		c.Metadata = string(text)
	}
	if len(c.Metadata) > maxMetadata {
		return c, fmt.Errorf("the letters of %s that were sent back are in %d separate runs, more than an offset of Kafka can note; replay the ones between them first, with a wider filter", p, len(d.Ranges))
	}
	return c, nil
}

// Has says whether the letter at offset was sent back.
func (d *Done) Has(offset int64) bool {
	if offset < d.Next {
		return true
	}
	i, found := slices.BinarySearchFunc(d.Ranges, offset, func(r [2]int64, o int64) int { return cmp.Compare(r[0], o) })
	return found || i > 0 && offset < d.Ranges[i-1][1]
}

// Add notes that no letter of [from, end) is left to be sent back.
func (d *Done) Add(from, end int64) {
	if from >= end {
		return
	}
	all := append(slices.Clone(d.Ranges), [2]int64{from, end})
	slices.SortFunc(all, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	d.Ranges = nil
	for _, r := range all {
		switch last := len(d.Ranges) - 1; {
		case r[0] <= d.Next:
			d.Next = max(d.Next, r[1])
		case last >= 0 && r[0] <= d.Ranges[last][1]:
			d.Ranges[last][1] = max(d.Ranges[last][1], r[1])
		default:
			d.Ranges = append(d.Ranges, r)
		}
	}
}

// within is d for a partition whose log is log. What is below its start is gone; and a log that ends
// before d is that of a topic that was deleted and created again, of which nothing was sent.
func (d Done) within(log kafka.Offsets) Done {
	if d.Next > log.End {
		d = Done{}
	}
	d.Add(0, log.Start)
	return d
}
