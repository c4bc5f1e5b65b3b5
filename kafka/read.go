package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/record"
)

// Read calls each with the committed messages of p from offset from on and below end, in order,
// until it returns an error. It joins no group and commits nothing.
func (a *Admin) Read(ctx context.Context, p record.Partition, from, end int64, each func(m *Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stopped error
	log := logReader{admin: a, topic: p.Topic}
	_, err := log.read(ctx, p.ID, from, end, func(r *kgo.Record) {
		if stopped != nil || r.Offset >= end {
			return
		}
		var m Message
		m.read(r, nil)
		if stopped = each(&m); stopped != nil {
			cancel()
		}
	})
	if stopped != nil {
		return stopped
	}
	return err
}
