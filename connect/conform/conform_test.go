package conform_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"connectd/connect"
	"connectd/connect/conform"
	"connectd/record"
)

// lines is a source of the strings in a slice, the least that there can be.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Run(ctx context.Context, t *connect.SourceTask) error {
	const partition = `{"lines":1}`
	next := 0
	if o := t.Offset(partition); o != nil {
		next, _ = strconv.Atoi(string(o))
	}
	for {
		l.mu.Lock()
		rest := l.all[next:]
		l.mu.Unlock()
		if len(rest) == 0 {
			<-ctx.Done()
			return nil
		}
		b, err := t.Batch(ctx)
		if err != nil {
			return nil
		}
		for _, line := range rest[:min(7, len(rest))] {
			r := b.Add()
			r.Topic = "lines"
			r.Value = record.Datum{Value: record.OfString(b.Copy([]byte(line)))}
			next++
		}
		b.Offsets = append(b.Offsets, record.SourceOffset{Partition: []byte(partition), Offset: b.Copy(strconv.AppendInt(nil, int64(next), 10))})
		b.Mark = uint64(next)
		t.Send(b)
	}
}

func TestSource(t *testing.T) {
	upstream := &lines{}
	conform.Source(t, conform.Sources{
		New: func(*testing.T) connect.Source { return upstream },
		Fill: func(_ *testing.T, n int) {
			upstream.mu.Lock()
			defer upstream.mu.Unlock()
			for range n {
				upstream.all = append(upstream.all, fmt.Sprintf("line %d", len(upstream.all)))
			}
		},
	})
}

// table is a target; starts says whether it keeps the offset with the rows.
type table struct {
	starts bool
	rows   map[record.Partition][]int64
	ids    map[string]bool
	next   map[record.Partition]int64
	epoch  map[record.Partition]int
}

func (t *table) Open(_ context.Context, p record.Partition) (connect.Writer, error) {
	w := &tableWriter{t: t, p: p}
	if t.starts {
		return &tableStarter{tableWriter: w}, nil
	}
	return w, nil
}

func (t *table) Close() error { return nil }

type tableWriter struct {
	t       *table
	p       record.Partition
	offsets []int64
}

func (w *tableWriter) Write(_ context.Context, b *record.Batch) error {
	for i := range b.Records {
		if b.Records[i].Value.IsNull() {
			b.Fail(i, errors.New("null"))
			continue
		}
		w.offsets = append(w.offsets, b.Records[i].Offset)
	}
	return nil
}

func (w *tableWriter) Flush(_ context.Context, r record.Range) error {
	if !w.t.ids[r.ID] {
		w.t.rows[w.p] = append(w.t.rows[w.p], w.offsets...)
	}
	w.t.ids[r.ID] = true
	w.offsets = nil
	return nil
}

func (w *tableWriter) Close() error { return nil }

type tableStarter struct {
	*tableWriter
	epoch int
}

func (w *tableStarter) Start(context.Context) (int64, bool, error) {
	w.t.epoch[w.p]++
	w.epoch = w.t.epoch[w.p]
	next, ok := w.t.next[w.p]
	return next, ok, nil
}

func (w *tableStarter) Flush(ctx context.Context, r record.Range) error {
	if w.epoch != w.t.epoch[w.p] {
		return errors.New("fenced")
	}
	w.t.next[w.p] = r.End
	return w.tableWriter.Flush(ctx, r)
}

func TestSink(t *testing.T) {
	for _, starts := range []bool{false, true} {
		t.Run(fmt.Sprintf("starts=%v", starts), func(t *testing.T) {
			target := &table{starts: starts, rows: map[record.Partition][]int64{}, ids: map[string]bool{}, next: map[record.Partition]int64{}, epoch: map[record.Partition]int{}}
			conform.Sink(t, conform.Sinks{
				New: func(*testing.T) connect.Sink { return target },
				Record: func(b *record.Batch, r *record.Record) {
					r.Value = record.Datum{Value: record.OfString(b.Copy([]byte("x")))}
				},
				Bad:     func(*record.Batch, *record.Record) {},
				Offsets: func(_ *testing.T, p record.Partition) []int64 { return slices.Clone(target.rows[p]) },
				Topic:   "orders",
			})
		})
	}
}
