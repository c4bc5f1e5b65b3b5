package sinktask

import (
	"context"

	"connectd/kafka"
)

// letters writes the dead letters of a sink task.
type letters struct {
	producer *kafka.Producer
}

// send returns when msgs are durable.
func (l *letters) send(ctx context.Context, msgs []kafka.Message) error {
	done := make(chan error, 1)
	l.producer.Produce(msgs, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
