package task

import (
	"time"

	"connectd/record"
)

// OriginTimes are the times at which the records of a range came to be, in runs of equal ones.
type OriginTimes struct {
	runs   []timeRun
	schema *record.Schema // the last value's
	field  int            // of the time in it, or -1
}

// maxRuns bounds the memory of a range that grows for hours.
const maxRuns = 1 << 16

type timeRun struct{ at, n int64 }

// timeFields are where a change says when it was made, in milliseconds since 1970: what unwrapping
// with add.fields leaves, and the envelope's own.
var timeFields = []string{"__source_ts_ms", "__ts_ms", "ts_ms"}

// Add counts r.
func (o *OriginTimes) Add(r *record.Record) { o.Note(o.of(r)) }

// Note counts a record of that time, in milliseconds since 1970; 0 for unknown.
func (o *OriginTimes) Note(at int64) {
	if at <= 0 {
		return
	}
	if n := len(o.runs); n > 0 && o.runs[n-1].at == at {
		o.runs[n-1].n++
		return
	}
	if len(o.runs) >= maxRuns {
		o.merge()
	}
	o.runs = append(o.runs, timeRun{at, 1})
}

// merge makes one run of every two. The earlier time stays: a lag is rather said too large.
func (o *OriginTimes) merge() {
	half := o.runs[:0]
	for i := 0; i+1 < len(o.runs); i += 2 {
		a, b := o.runs[i], o.runs[i+1]
		half = append(half, timeRun{min(a.at, b.at), a.n + b.n})
	}
	if len(o.runs)%2 == 1 {
		half = append(half, o.runs[len(o.runs)-1])
	}
	o.runs = half
}

// Join adds the times of other.
func (o *OriginTimes) Join(other *OriginTimes) { o.runs = append(o.runs, other.runs...) }

// of is when r came to be: what its value says, or else its timestamp.
func (o *OriginTimes) of(r *record.Record) int64 {
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

// Reset forgets all.
func (o *OriginTimes) Reset() { o.runs = o.runs[:0] }

// OriginTime is when a source's record came to be, in milliseconds since 1970; 0 when the record
// does not say.
func OriginTime(r *record.Record) int64 {
	switch {
	case r.Change != nil && r.Change.Time > 0:
		return r.Change.Time / int64(time.Millisecond)
	case r.Timestamp > 0:
		return r.Timestamp
	}
	return 0
}
