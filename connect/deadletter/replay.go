package deadletter

import (
	"context"
	"fmt"

	"connectd/kafka"
	"connectd/record"
)

// Replay sends the records of a connector's letters back to their topics, where the connector reads
// them again. A letter is sent once: the group GroupOf has what was sent. After a crash those of the
// last chunk are sent again, so it is at least once.
type Replay struct {
	Admin     *kafka.Admin
	Producer  *kafka.Producer // nil: nothing is sent, and nothing noted
	Connector string
	Filter    Filter
	Each      func(l *Letter) // told of each letter before it is sent

	partitions map[string]int // of topics of origin
}

// Counts are what became of the letters that the filter takes.
type Counts struct {
	Sent     int64
	Before   int64 // were sent by an earlier replay
	Unplaced int64 // have no place of origin: a source's, or without the headers
}

// maxChunk and maxChunkBytes bound what is sent between two commits.
const (
	maxChunk      = 500
	maxChunkBytes = 8 << 20
)

// Topic replays the letters that topic has now.
func (r *Replay) Topic(ctx context.Context, topic string, n *Counts) error {
	logs, err := r.Admin.ListOffsets(ctx, true, topic)
	if err != nil {
		return err
	}
	done, err := ReadDone(ctx, r.Admin, r.Connector)
	if err != nil {
		return err
	}
	for _, p := range inOrder(logs) {
		run := &run{Replay: r, partition: p, done: done[p].within(logs[p]), from: logs[p].Start, count: n}
		if err := run.all(ctx, logs[p]); err != nil {
			return err
		}
	}
	return nil
}

// run is the replay of one partition. All of [from, the letter that is looked at) is sent, or waits
// in the chunk, or has nothing that could be sent.
type run struct {
	*Replay
	partition record.Partition
	done      Done
	from      int64
	chunk     []kafka.Message
	bytes     int // of chunk
	count     *Counts
}

func (r *run) all(ctx context.Context, log kafka.Offsets) error {
	err := r.Admin.Read(ctx, r.partition, log.Start, log.End, func(m *kafka.Message) error {
		l := Parse(m)
		return r.take(ctx, &l)
	})
	if err != nil {
		return err
	}
	return r.send(ctx, log.End)
}

func (r *run) take(ctx context.Context, l *Letter) error {
	meant := l.Connector == r.Connector && r.Filter.Takes(l)
	switch {
	case l.Connector != r.Connector:
	case !l.Known():
		if meant {
			r.count.Unplaced++
		}
	case r.done.Has(l.Place.Offset):
		if meant {
			r.count.Before++
		}
	case !meant:
		// It stays to be sent some day, so the run ends before it.
		err := r.send(ctx, l.Place.Offset)
		r.from = l.Place.Offset + 1
		return err
	default:
		if err := r.placed(ctx, l); err != nil {
			return err
		}
		if r.Each != nil {
			r.Each(l)
		}
		r.chunk = append(r.chunk, l.Record())
		r.bytes += len(l.Key) + len(l.Value)
		r.count.Sent++
		if len(r.chunk) == maxChunk || r.bytes >= maxChunkBytes {
			return r.send(ctx, l.Place.Offset+1)
		}
	}
	return nil
}

// placed makes sure that the partition that l's record comes from is there.
func (r *run) placed(ctx context.Context, l *Letter) error {
	n, ok := r.partitions[l.Origin.Topic]
	if !ok {
		var err error
		if n, err = r.Admin.Partitions(ctx, l.Origin.Topic); err != nil {
			return fmt.Errorf("letter %s: %w", l.Place, err)
		}
		if r.partitions == nil {
			r.partitions = map[string]int{}
		}
		r.partitions[l.Origin.Topic] = n
	}
	if int(l.Origin.ID) >= n {
		return fmt.Errorf("letter %s: topic %q has %d partitions and no partition %d any more; leave it out with --partition or --offsets", l.Place, l.Origin.Topic, n, l.Origin.ID)
	}
	return nil
}

// send sends the chunk, and notes that nothing is left to be sent before end.
func (r *run) send(ctx context.Context, end int64) error {
	chunk, from := r.chunk, r.from
	r.chunk, r.bytes, r.from = r.chunk[:0], 0, max(end, from)
	if len(chunk) == 0 || r.Producer == nil {
		return nil
	}
	r.done.Add(from, end)
	note, err := r.done.Commit(r.partition)
	if err != nil {
		return err // before anything is sent that could not be noted
	}
	if err := r.Producer.Write(ctx, chunk); err != nil {
		return fmt.Errorf("send the records of letters of %s: %w", r.partition, err)
	}
	// Durable in their topics: now the letters count as sent.
	return r.Admin.SetGroupOffsets(ctx, GroupOf(r.Connector), []kafka.Commit{note})
}
