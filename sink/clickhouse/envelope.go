package clickhouse

import (
	"fmt"

	"connectd/record"
	"connectd/transform"
)

// unwrapper takes Debezium's envelopes apart for debeziumCDCEnabled: a delete becomes its old row,
// marked as deleted, and every row has its place in the source's log.
type unwrapper struct {
	unwrap *transform.Unwrap
	drop   []bool // of the batch at hand: what has no row
}

func newUnwrapper() (*unwrapper, error) {
	c := new(transform.UnwrapConfig)
	c.Defaults()
	c.Deletes, c.AddFields = "rewrite", []string{"lsn"}
	unwrap, err := transform.NewUnwrap(c)
	if err != nil {
		return nil, fmt.Errorf("debeziumCDCEnabled: %w", err)
	}
	return &unwrapper{unwrap: unwrap}, nil
}

// apply unwraps the records of b. Those without a row (tombstones, whose delete came before, and
// truncates) lose their value; they are marked in drop.
func (u *unwrapper) apply(b *record.Batch) {
	u.drop = append(u.drop[:0], make([]bool, len(b.Records))...)
	for i := range b.Records {
		r := &b.Records[i]
		raw := r.RawValue // a dead letter has the envelope
		keep, err := u.unwrap.Apply(b, r)
		r.RawValue = raw
		if err != nil {
			b.Fail(i, err)
		}
		if !keep || err != nil {
			u.drop[i], r.Value = true, record.Datum{}
			if err == nil {
				b.Skip()
			}
		}
	}
}
