package sinktask

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/deadletter"
	"connectd/kafka"
	"connectd/record"
)

// A chunk is what is decoded and given to the writer at once; it bounds the memory of decoded
// records, of which each partition that is at work has some.
const (
	chunkRows  = 250
	chunkBytes = 256 << 10
)

// scratch is what chunks are decoded into. Few partitions decode at a time; a batch of its own would
// cost each of them a megabyte, and keep the fetches alive that its cells still point into.
var scratch = sync.Pool{New: func() any { return new(record.Batch) }}

// stopping says whether nothing more is to be taken.
func (p *partition) stopping(ctx context.Context) bool {
	select {
	case <-p.stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// receive takes what is in the inbox.
func (p *partition) receive(ctx context.Context) error {
	fetches, resume := p.inbox.take()
	if resume {
		p.task.ask(p)
	}
	for i := range fetches {
		if err := p.takeAll(ctx, fetches[i].Messages); err != nil {
			return err
		}
		if p.stopping(ctx) {
			return nil // without the fetches that follow: an offset must not be left out
		}
		if fetches[i].Err != nil {
			if err := p.fetchFailed(ctx, fetches[i].Err); err != nil {
				return err
			}
		}
	}
	if p.config.Soon && p.caughtUp() {
		return p.flush(ctx)
	}
	return nil
}

// enough is the part of a batch that is flushed at the log's end without waiting for more.
const enough = 8

// caughtUp says whether Kafka has nothing more for a range that is worth a flush: to wait for
// linger.ms then would only make it late.
func (p *partition) caughtUp() bool {
	return p.next >= p.logEnd.Load() && p.intent == nil &&
		(p.tally.Read >= int64(p.config.MaxRows)/enough || p.tally.Bytes >= int64(p.config.MaxBytes)/enough)
}

// takeAll takes messages, which follow on those before, and flushes where a range is full.
func (p *partition) takeAll(ctx context.Context, msgs []kafka.Message) error {
	for len(msgs) > 0 && !p.stopping(ctx) {
		n, full := p.fits(msgs)
		if n > 0 {
			taken, ends, err := p.take(ctx, msgs[:n])
			if err != nil {
				return err
			}
			full = ends || full && taken == n
			clear(msgs[:taken]) // what they point to may be free long before all of the fetch is
			msgs = msgs[taken:]
		}
		if full {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits is how many of msgs go into the next chunk. full is true when the range is to be flushed
// after them.
func (p *partition) fits(msgs []kafka.Message) (n int, full bool) {
	var bytes int64
	for i := range msgs {
		m := &msgs[i]
		if p.intent != nil && m.Offset >= p.intent.End {
			// Nothing below the end is left: compaction has removed it, or it was a marker.
			p.next = max(p.next, p.intent.End)
			return i, true
		}
		if i == chunkRows || bytes >= chunkBytes {
			return i, false
		}
		bytes += int64(len(m.Key) + len(m.Value))
		if p.intent == nil && (p.tally.Read+int64(i)+1 >= p.rows || p.tally.Bytes+bytes >= int64(p.config.MaxBytes)) {
			return i + 1, true
		}
	}
	last := msgs[len(msgs)-1].Offset
	return len(msgs), p.intent != nil && last+1 >= p.intent.End
}

// take decodes and transforms messages and gives their records to the writer: all, or those before
// the one that the writer begins another range with. ends says that the range is to be flushed.
func (p *partition) take(ctx context.Context, msgs []kafka.Message) (taken int, ends bool, err error) {
	if p.tally.Read == 0 && p.intent == nil {
		p.began = time.Now()
		p.linger.Reset(p.config.Linger)
	}
	b := scratch.Get().(*record.Batch)
	p.batch = b
	defer func() {
		p.batch = nil
		b.Reset()
		scratch.Put(b)
	}()
	p.origin = p.origin[:0]
	keyHint, valueHint := p.task.schemas.Hints(p.id.Topic)
	for i := range msgs {
		m := &msgs[i]
		if p.left[m.Offset] {
			p.tally.consume(m)
			p.countLeft()
			continue
		}
		if cause, ok := p.refused[m.Offset]; ok {
			p.tally.consume(m)
			if err := p.leaveOut(m, &connector.Failure{Stage: connector.StagePut, Class: p.task.policy.Class, Err: cause}); err != nil {
				return 0, false, err
			}
			continue
		}
		r := b.Add()
		failed := p.decode(r, m, keyHint, valueHint)
		keep := failed == nil
		if keep {
			keep, failed = p.chain.Apply(b, r)
		}
		if keep && failed == nil && p.endsBefore(r) {
			b.Records = b.Records[:len(b.Records)-1]
			msgs, ends = msgs[:i], true
			break
		}
		p.tally.consume(m)
		switch {
		case failed != nil:
			b.Records = b.Records[:len(b.Records)-1]
			if err := p.leaveOut(m, failed); err != nil {
				return 0, false, err
			}
		case !keep:
			b.Records = b.Records[:len(b.Records)-1]
			p.tally.Filtered++
		default:
			p.origin = append(p.origin, i)
			p.times.Add(r)
		}
	}
	if len(b.Records) > 0 {
		if err := p.write(ctx, msgs); err != nil {
			return 0, false, err
		}
	}
	if len(msgs) > 0 {
		p.next = msgs[len(msgs)-1].Offset + 1
	}
	if p.config.Spooled {
		p.release()
		// Dead letters are sent now: a range may grow for hours.
		if err := p.sendLetters(ctx); err != nil {
			return 0, false, err
		}
	}
	return len(msgs), ends || p.due(), nil
}

// release gives back the memory of what is taken.
func (p *partition) release() {
	p.inbox.give(p.tally.held)
	p.task.budget.give(p, p.tally.held)
	p.tally.held = 0
}

// endsBefore says whether the writer begins another range with r.
func (p *partition) endsBefore(r *record.Record) bool {
	if p.rotator == nil || p.intent != nil {
		return false
	}
	first := !p.asked
	p.asked = true
	return p.rotator.Ends(r, first) && !first
}

// due says whether the writer wants the range to end now, and otherwise sees to it that it ends in
// time.
func (p *partition) due() bool {
	if p.rotator == nil || p.intent != nil {
		return false
	}
	at := p.began.Add(p.config.Linger)
	if p.tally.Written == 0 {
		// Nothing is in the writer: the offset moves on as soon as elsewhere.
		at = earlier(at, p.began.Add(connector.DefaultLinger))
	} else if due := p.rotator.Due(); !due.IsZero() {
		at = earlier(at, due)
	}
	wait := time.Until(at)
	p.linger.Reset(wait)
	return wait <= 0
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// write gives the batch to the writer. msgs are what it was decoded from.
func (p *partition) write(ctx context.Context, msgs []kafka.Message) error {
	b := p.batch
	n := len(b.Records)
	if err := p.writer.Write(ctx, b); err != nil {
		return fmt.Errorf("write partition %s, offsets %d to %d: %w", p.id, msgs[0].Offset, msgs[len(msgs)-1].Offset, err)
	}
	if len(b.Records) != n {
		return connect.Permanent(fmt.Errorf("partition %s: the sink has changed a batch of %d records to one of %d", p.id, n, len(b.Records)))
	}
	for _, f := range b.Failed() {
		if f.Index < 0 || f.Index >= len(p.origin) {
			return connect.Permanent(fmt.Errorf("partition %s: the sink reports record %d of a batch of %d", p.id, f.Index, len(p.origin)))
		}
		if err := p.leaveOut(&msgs[p.origin[f.Index]], &connector.Failure{Stage: connector.StagePut, Class: p.task.policy.Class, Err: f.Err}); err != nil {
			return err
		}
	}
	p.tally.Filtered += int64(b.Skipped())
	p.tally.Written += int64(n - len(b.Failed()) - b.Skipped())
	return nil
}

// decode makes r of m.
func (p *partition) decode(r *record.Record, m *kafka.Message, keyHint, valueHint *record.Schema) *connector.Failure {
	b := p.batch
	r.Topic, r.Partition, r.Offset, r.Timestamp = m.Topic, m.Partition, m.Offset, m.Timestamp
	r.RawKey, r.RawValue = m.Key, m.Value
	var err error
	if m.Key != nil {
		if r.Key, err = p.conv.Key.Decode(b, m.Topic, m.Key, keyHint); err != nil {
			return &connector.Failure{Stage: connector.StageKeyConverter, Class: p.conv.KeyClass, Err: fmt.Errorf("decode key: %w", err)}
		}
	}
	if m.Value != nil {
		if r.Value, err = p.conv.Value.Decode(b, m.Topic, m.Value, valueHint); err != nil {
			return &connector.Failure{Stage: connector.StageValueConverter, Class: p.conv.ValueClass, Err: fmt.Errorf("decode value: %w", err)}
		}
	}
	if len(m.Headers) == 0 {
		return nil
	}
	r.Headers = b.Headers(len(m.Headers))
	for i, h := range m.Headers {
		r.Headers[i].Name = h.Name
		if h.Value == nil {
			continue
		}
		if r.Headers[i].Value, err = p.conv.Header.Decode(b, m.Topic, h.Value, nil); err != nil {
			return &connector.Failure{Stage: connector.StageHeader, Class: p.conv.HeaderClass, Err: fmt.Errorf("decode header %q: %w", h.Name, err)}
		}
	}
	return nil
}

// leaveOut does with a message that failed what errors.tolerance says. Its dead letter is durable
// before the range is.
func (p *partition) leaveOut(m *kafka.Message, f *connector.Failure) error {
	if err := f.Blocked(); err != nil {
		return fmt.Errorf("record %s@%d: %w", p.id, m.Offset, err)
	}
	err := fmt.Errorf("record %s@%d with key %s: %w", p.id, m.Offset, connector.Quoted(m.Key), f.Err)
	policy := &p.task.policy
	if !policy.TolerateAll {
		return connect.Permanent(err)
	}
	policy.Log(p.log, err, f)
	p.countLeft()
	p.leaving = append(p.leaving, m.Offset)
	if p.task.letters == nil {
		return nil
	}
	p.letters = append(p.letters, policy.Letter(deadletter.Letter{
		Connector: p.task.Connector.Name, Task: strconv.Itoa(p.task.ID), Key: m.Key, Value: m.Value, Headers: m.Headers,
		Origin: deadletter.Place{Partition: p.id, Offset: m.Offset},
	}, f))
	return nil
}

// countLeft counts a record that is left out.
func (p *partition) countLeft() {
	p.tally.Failed++
	if p.task.letters != nil {
		p.tally.DeadLettered++
	}
}
