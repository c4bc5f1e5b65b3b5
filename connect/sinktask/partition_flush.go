package sinktask

import (
	"context"
	"fmt"
	"time"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/kafka"
	"connectd/record"
)

// wholeLingers is how many times linger.ms a batch may wait for what makes it whole.
const wholeLingers = 5

// lingered is called when the first record of the range has waited for linger.ms.
func (p *partition) lingered(ctx context.Context) error {
	left := time.Until(p.began.Add(wholeLingers * p.config.Linger))
	rest := int64(p.config.MaxRows) - p.tally.Read
	if p.config.Whole && p.intent == nil && p.logEnd.Load()-p.next >= rest && left > 0 {
		p.linger.Reset(min(left, p.config.Linger))
		return nil
	}
	return p.flush(ctx)
}

// flush makes [start, next) durable in the target. While an earlier life's flush is unfinished
// only its exact range is flushed, when it is complete.
func (p *partition) flush(ctx context.Context) error {
	p.linger.Stop()
	end := p.next
	switch {
	case p.intent != nil && p.next < p.intent.End:
		return nil
	case p.intent != nil:
		end = p.intent.End
	case p.tally.Read == 0:
		return nil
	}
	if err := p.tally.check(); err != nil {
		return connect.Permanent(fmt.Errorf("partition %s, offsets %d to %d: %w", p.id, p.start, end-1, err))
	}
	if err := p.sendLetters(ctx); err != nil {
		return err
	}
	// A range in which nothing is left to write needs no intent; but a writer that keeps its own
	// offset has to move it, and a flush that was begun has to be ended.
	if p.tally.Written > 0 || p.intent != nil || p.starter {
		if err := p.put(ctx, end); err != nil {
			return err
		}
	}
	p.flushed(end)
	return nil
}

// sendLetters makes the dead letters durable. What is left out now stays so, however often the range
// is tried: somebody may widen a column meanwhile, and the record would be a letter and a row, in a
// range that is another one than the target perhaps has already.
func (p *partition) sendLetters(ctx context.Context) error {
	if len(p.letters) > 0 {
		if err := p.task.letters.Write(ctx, p.letters); err != nil {
			return fmt.Errorf("write dead letters: %w", err)
		}
		fault.Point("sink.letters")
	}
	if p.left == nil && len(p.leaving) > 0 {
		p.left = map[int64]bool{}
	}
	for _, offset := range p.leaving {
		p.left[offset] = true
	}
	p.leaving, p.letters = p.leaving[:0], nil
	return nil
}

// put writes [start, end) to the target under the protection of an intent.
func (p *partition) put(ctx context.Context, end int64) error {
	r := record.Range{Partition: p.id, Start: p.start, End: end}
	if p.intent == nil {
		p.intent = newIntent(end, p.task.Connector.Hash)
	}
	r.ID, r.Time, r.Changed = p.intent.ID, p.intent.Time, p.intent.Config != p.task.Connector.Hash
	if p.starter {
		p.intent = nil // range and offset are one transaction in the target
	} else if !p.intent.committed {
		// This also commits the end of the flush before.
		if err := p.commit(ctx, p.start, p.intent.metadata()); err != nil {
			return err
		}
		p.intent.committed = true
	}
	fault.Point("sink.intent")
	began := time.Now()
	if err := p.writer.Flush(ctx, r); err != nil {
		return fmt.Errorf("flush partition %s, offsets %d to %d: %w", p.id, r.Start, r.End-1, err)
	}
	// Order of truth, 1: the range is durable in the target; its offset follows in settleUp, or
	// with the next intent.
	fault.Point("sink.written")
	p.task.Count.FlushTook(time.Since(began))
	return nil
}

// flushed begins the next range at end.
func (p *partition) flushed(end int64) {
	p.intent = nil
	p.start = end
	p.next = max(p.next, end)
	p.rows = int64(p.config.MaxRows)
	p.durable.Store(end)
	p.owed = end > p.known
	p.task.Count.Flushed(p.id, &p.tally.Tally, &p.times, time.Now())
	select {
	case <-p.early: // asked for while this flush went on: it was the answer
	default:
	}
	p.release()
	p.tally, p.asked = rangeTally{}, false
	p.times.Reset()
	clear(p.refused)
	clear(p.left)
	if !p.failing.IsZero() {
		p.failing = time.Time{}
		p.backoff.Reset()
		p.task.Degrade(p.id.String(), nil)
		p.log.Info("partition goes on")
	}
	p.settle.Reset(settlePause)
}

// check says whether every record that was read is accounted for. An offset never passes a
// record that is neither written, nor filtered, nor left out by errors.tolerance.
func (t *rangeTally) check() error {
	if t.Read == t.Written+t.Filtered+t.Failed {
		return nil
	}
	return fmt.Errorf("%d records were read, but %d written + %d filtered + %d left out are %d: the sink or a transform has lost or added records",
		t.Read, t.Written, t.Filtered, t.Failed, t.Written+t.Filtered+t.Failed)
}

// settleUp commits the end of the last flush, unless an intent already stands on it.
func (p *partition) settleUp(ctx context.Context) error {
	if !p.owed || p.intent != nil {
		return nil
	}
	// Order of truth, 2: only what is durable in the target is committed.
	return p.commit(ctx, p.start, "")
}

// commit stores offset and metadata in the group, which refuses it when the partition is lost.
func (p *partition) commit(ctx context.Context, offset int64, metadata string) error {
	if offset < p.known {
		return connect.Permanent(fmt.Errorf("partition %s: offset %d is below the committed %d: not committed", p.id, offset, p.known))
	}
	if err := p.task.commit(ctx, []kafka.Commit{{Partition: p.id, Offset: offset, Metadata: metadata}}); err != nil {
		return err
	}
	passed := offset > p.known
	p.known, p.owed = offset, false
	p.settle.Stop()
	if passed {
		fault.Point("sink.committed")
	}
	return nil
}

// recoveryCheck is how often a partition looks whether there is anything left to come: before the
// end of an unfinished flush that it waits for, or before the log's end.
const recoveryCheck = 2 * time.Second

// checkEnd looks what is between the last record and the log's end, when nothing comes: the markers
// of transactions are offsets that nothing can be read from, and no lag.
func (p *partition) checkEnd(ctx context.Context) {
	end := p.logEnd.Load()
	if p.tally.Read > 0 || end <= p.durable.Load() || p.inbox.waiting() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recoveryCheck)
	defer cancel()
	if empty, err := p.task.admin.Empty(ctx, p.id, p.next, end); err == nil && empty {
		p.durable.Store(end) // for the lag only: the position stays at the last record
	}
}

// checkRecovery ends the wait for records that are not there any more: the last offsets of the
// range may be those of compacted records and of transaction markers, which no fetch shows.
func (p *partition) checkRecovery(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recoveryCheck)
	defer cancel()
	empty, err := p.task.admin.Empty(ctx, p.id, p.next, p.intent.End)
	if err != nil || !empty {
		return nil // they are on their way; the next check will tell
	}
	p.next = p.intent.End
	return p.flush(ctx)
}
