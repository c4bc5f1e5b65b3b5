package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"connectd/connect"
	"connectd/record"
)

// counterConfig is a source that counts: record n has the key {"n":n} and the value {"n":n,"text":…}.
type counterConfig struct {
	Topic  string `yaml:"topic" required:"true" doc:"topic to write to"`
	Count  int    `yaml:"count" doc:"how many records"`
	Size   int    `yaml:"batch.size" doc:"records in a batch"`
	FailAt int    `yaml:"fail.at" doc:"record before which the source fails once"`
	BadAt  int    `yaml:"bad.at" doc:"record that the source itself reports as failed"`
	Stay   bool   `yaml:"stay" doc:"wait to be stopped after the last record"`
	Panic  bool   `yaml:"panic" doc:"panic instead of failing"`

	Pace time.Duration `yaml:"pace.ms" doc:"time for each batch; 0 for as fast as it goes"`

	confirmed *confirmations
}

func (c *counterConfig) Defaults() { c.Size, c.FailAt, c.BadAt, c.Stay = 10, -1, -1, true }

// confirmations is the upstream of a counter: what it was told to forget.
type confirmations struct {
	mu     sync.Mutex
	marks  []uint64
	failed bool
	tell   func(mark uint64) // nil for nobody
}

type counter struct{ c *counterConfig }

func newCounter(c *counterConfig, _ connect.Env) (connect.Source, error) { return &counter{c}, nil }

var (
	keySchema   = &record.Schema{Type: record.StructType, Name: "Key", Fields: []record.Field{{Name: "n", Schema: &record.Schema{Type: record.Int64Type}}}}
	valueSchema = &record.Schema{Type: record.StructType, Name: "Value", Fields: []record.Field{
		{Name: "n", Schema: &record.Schema{Type: record.Int64Type}},
		{Name: "text", Schema: &record.Schema{Type: record.StringType, Optional: true}},
	}}
)

const counterPartition = `{"counter":"a"}`

func (s *counter) Run(ctx context.Context, t *connect.SourceTask) error {
	n := 0
	if o := t.Offset(counterPartition); o != nil {
		var at struct{ N int }
		if err := json.Unmarshal(o, &at); err != nil {
			return connect.Permanent(err)
		}
		n = at.N
	}
	for n < s.c.Count {
		if s.c.Pace > 0 {
			select {
			case <-time.After(s.c.Pace):
			case <-ctx.Done():
			}
		}
		var b *record.Batch
		select {
		case b = <-t.Free():
		case <-t.Wake():
			s.confirm(t)
			continue
		case <-ctx.Done():
			return s.drain(ctx, t, uint64(n))
		}
		for range s.c.Size {
			if n == s.c.Count {
				break
			}
			if n == s.c.FailAt && !s.c.confirmed.failed {
				s.c.confirmed.failed = true
				if s.c.Panic {
					panic("counter is out of fingers")
				}
				return errors.New("counter has lost count")
			}
			s.add(b, n)
			n++
		}
		b.Offsets = append(b.Offsets, record.SourceOffset{
			Partition: []byte(counterPartition),
			Offset:    b.Copy([]byte(fmt.Sprintf(`{"n":%d}`, n))),
		})
		b.Mark = uint64(n)
		t.Send(b)
	}
	if !s.c.Stay {
		return nil
	}
	for ctx.Err() == nil {
		select {
		case <-t.Wake():
			s.confirm(t)
		case <-ctx.Done():
		}
	}
	return s.drain(ctx, t, uint64(n))
}

func (s *counter) add(b *record.Batch, n int) {
	r := b.Add()
	r.Topic, r.Timestamp = s.c.Topic, time.Now().UnixMilli()
	key := b.Cells(1)
	key[0] = record.OfInt(int64(n))
	r.Key = record.Datum{Schema: keySchema, Value: record.OfStruct(key)}
	cells := b.Cells(2)
	cells[0] = record.OfInt(int64(n))
	cells[1] = record.OfString(strconv.AppendInt(b.Bytes(20)[:0], int64(n), 10))
	r.Value = record.Datum{Schema: valueSchema, Value: record.OfStruct(cells)}
	if n == s.c.BadAt {
		b.Fail(len(b.Records)-1, errors.New("row can not be read"))
	}
}

// drain waits until everything that was sent is committed.
func (s *counter) drain(ctx context.Context, t *connect.SourceTask, last uint64) error {
	deadline := time.After(time.Minute)
	for t.Committed() < last {
		select {
		case <-t.Wake():
		case <-t.Failed():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("drained to %d of %d", t.Committed(), last)
		}
	}
	s.confirm(t)
	return nil
}

func (s *counter) confirm(t *connect.SourceTask) {
	if s.c.confirmed == nil {
		return
	}
	s.c.confirmed.mu.Lock()
	defer s.c.confirmed.mu.Unlock()
	s.c.confirmed.marks = append(s.c.confirmed.marks, t.Committed())
	if s.c.confirmed.tell != nil {
		s.c.confirmed.tell(t.Committed())
	}
}
