package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// Empty says whether [from, end) of p has no committed record, which a consumer that waits for
// one can not tell: the offsets may belong to markers of transactions, aborted records, or
// records that compaction has removed. It waits until the log has offset end-1, or ctx ends.
func (a *Admin) Empty(ctx context.Context, p record.Partition, from, end int64) (bool, error) {
	ctx, found := context.WithCancel(ctx)
	defer found()
	l := logReader{admin: a, topic: p.Topic, bytes: probe}
	empty := true
	_, err := l.read(ctx, p.ID, from, end, func(r *kgo.Record) {
		if r.Offset >= from && r.Offset < end {
			empty = false
			found() // the rest need not be read
		}
	})
	if !empty {
		return false, nil
	}
	return true, err
}

// probe is how much Empty asks for at once: the first record tells, and what is empty is small.
const probe = 64 << 10
