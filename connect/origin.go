package connect

import (
	"time"

	"connectd/record"
)

// originTimes are the times at which the records of a range came to be, in runs of equal ones.
type originTimes struct {
	runs   []timeRun
	schema *record.Schema // the last value's
	field  int            // of the time in it, or -1
}

type timeRun struct{ at, n int64 }

// timeFields are where a change says when it was made, in milliseconds since 1970: what unwrapping
// with add.fields leaves, and the envelope's own.
var timeFields = []string{"__source_ts_ms", "__ts_ms", "ts_ms"}

// add counts r.
func (o *originTimes) add(r *record.Record) { o.note(o.of(r)) }

// note counts a record of that time, in milliseconds since 1970; 0 for unknown.
func (o *originTimes) note(at int64) {
	if at <= 0 {
		return
	}
	if n := len(o.runs); n > 0 && o.runs[n-1].at == at {
		o.runs[n-1].n++
		return
	}
	o.runs = append(o.runs, timeRun{at, 1})
}

// of is when r came to be: what its value says, or else its timestamp.
func (o *originTimes) of(r *record.Record) int64 {
	s := r.Value.Schema
	if s != o.schema {
		o.schema, o.field = s, -1
		if s != nil {
			for _, name := range timeFields {
				if o.field = s.Index(name); o.field >= 0 {
					break
				}
			}
		}
	}
	if o.schema != nil && o.field >= 0 && o.field < len(r.Value.Value.Items) {
		if v := r.Value.Value.Items[o.field]; v.Kind == record.Int {
			return v.N
		}
	}
	return r.Timestamp
}

func (o *originTimes) reset() { o.runs = o.runs[:0] }

// flushed counts a range that is durable in the target.
func (c *counters) flushed(t *rangeTally, o *originTimes, now time.Time) {
	c.read.Add(t.consumed)
	c.written.Add(t.written)
	c.bytes.Add(t.bytes)
	c.filtered.Add(t.filtered)
	c.failed.Add(t.failed)
	c.deadLettered.Add(t.dead)
	c.arrived(t.consumed, o, now)
}
