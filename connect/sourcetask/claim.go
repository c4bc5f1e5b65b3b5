package sourcetask

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/kafka"
)

// transactional readies p for delivery in transactions: it claims the task's transactional id,
// which ends whatever another process had begun under it, and only then reads where to start.
// Offsets that are read before the claim could still be passed by that process's last commit.
func (s *source) transactional(ctx context.Context, p *pipeline) (map[string][]byte, error) {
	c := s.Connector
	k, err := s.transactionSettings(c)
	if err != nil {
		return nil, err
	}
	if err := s.checkRival(ctx, k); err != nil {
		return nil, err
	}
	if err := s.Before.End(ctx, func() error { return s.fencePredecessors(ctx, k) }); err != nil {
		return nil, err
	}
	producer, err := kafka.NewTxProducer(ctx, k, s.transactionalID(c, strconv.Itoa(s.ID)), s.Log)
	if err != nil {
		return nil, err
	}
	offsets, err := s.readOffsets(ctx, k)
	if err != nil {
		producer.Close()
		return nil, err
	}
	p.offsets = newOffsetWriter(c.Name, nil)
	p.tx = &transactions{kafka: producer, topic: c.OffsetsTopic(s.settings), offsets: map[string][]byte{}}
	if c.Source.Boundary == "interval" {
		p.tx.interval = c.Source.BoundaryPeriod
	}
	p.close = producer.Close
	return offsets, nil
}

// transactionSettings are those of the connector's producer. A transaction that stays open on
// purpose gets that much more time.
func (r *Runner) transactionSettings(c *connector.Connector) (kafka.Settings, error) {
	k, err := r.kafka.With(c.Producer)
	if err != nil {
		return k, connect.Permanent(fmt.Errorf("producer.override.*: %w", err))
	}
	if c.Source.Boundary != "interval" {
		return k, nil
	}
	const key = "transaction.timeout.ms"
	if _, ok := c.Producer[key]; !ok {
		k.Transaction += c.Source.BoundaryPeriod
	} else if k.Transaction <= c.Source.BoundaryPeriod {
		return k, connect.Permanent(fmt.Errorf("producer.override.%s (%s) is not longer than transaction.boundary.interval.ms (%s): the broker would abort every transaction; raise it, or remove it", key, k.Transaction, c.Source.BoundaryPeriod))
	}
	return k, nil
}

// readOffsets reads the connector's offsets in the cluster of k. Those of transactions are not in
// the stores that the worker has open, which know what they have written themselves.
func (s *source) readOffsets(ctx context.Context, k kafka.Settings) (map[string][]byte, error) {
	store, err := kafka.OpenStore(ctx, k, s.Connector.OffsetsTopic(s.settings), s.Log)
	if err != nil {
		return nil, fmt.Errorf("read the offsets topic: %w", err)
	}
	defer store.Close()
	offsets, err := offsetsOf(s.Connector.Name, store.All())
	if err != nil {
		return nil, connect.Permanent(err)
	}
	return offsets, nil
}

// yieldLimit is how long a fenced task may take to look where the position is.
const yieldLimit = 10 * time.Second

// yield notes where the position is when another process has taken over. start is where this
// attempt began, for when it can not be read; own are the source partitions that it has written.
func (s *source) yield(ctx context.Context, start map[string][]byte, own map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, yieldLimit)
	defer cancel()
	s.own = own
	s.yielded = s.ownOffsets(start)
	if k, err := s.transactionSettings(s.Connector); err == nil {
		if now, err := s.readOffsets(ctx, k); err == nil {
			s.yielded = s.ownOffsets(now)
		}
	}
}

// ownOffsets are those that nobody but this task has reason to move: all of a connector's only
// task; where there are more, those that it has written itself.
func (s *source) ownOffsets(all map[string][]byte) map[string][]byte {
	if s.Connector.Tasks() == 1 {
		return all
	}
	mine := map[string][]byte{}
	for partition, offset := range all {
		if _, ok := s.own[partition]; ok {
			mine[partition] = offset
		}
	}
	return mine
}

// checkRival refuses to start while the position goes on without this task: then another process
// runs the same connector, and claiming the transactional id would fence it, as it would this one
// the time after. When the position stands still, the other one is gone or has nothing to do.
func (s *source) checkRival(ctx context.Context, k kafka.Settings) error {
	if s.yielded == nil {
		return nil
	}
	now, err := s.readOffsets(ctx, k)
	if err != nil {
		return err
	}
	if now = s.ownOffsets(now); !maps.EqualFunc(now, s.yielded, bytes.Equal) {
		s.yielded = now
		return fmt.Errorf("another process runs this connector, and its position goes on; stop one of them, or give one another name: %w", connect.ErrFenced)
	}
	s.yielded = nil
	return nil
}
