package s3

import (
	"math"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/record"
)

// Rotation says when the open objects of a partition are finished: all of them at once, so that
// they hold one range of offsets.
type Rotation struct {
	Rows     int           `yaml:"flush.size" alias:"file.max.records" doc:"records of a partition after which its open objects are finished; 0 for no such limit"`
	Bytes    config.Size   `yaml:"rotate.file.size.bytes" doc:"size of an object after which the partition's open objects are finished; 0 for no such limit"`
	Interval time.Duration `yaml:"rotate.interval.ms" doc:"time between the first record of the open objects and the record before which they are finished, by timestamp.extractor with a partitioner by time and by the records' timestamps otherwise; also when no record follows, after as long by the clock; 0 or -1 for never"`
	Schedule time.Duration `yaml:"rotate.schedule.interval.ms" doc:"finish the open objects at each multiple of this time since midnight in timezone; 0 or -1 for never. Without any of the four rules it is a minute"`
	OnChange bool          `yaml:"rotate.file.on.partition.change" doc:"with rotate.interval.ms and a partitioner by time, finish the open objects before the first record of a later folder; records that are late go into an object beside it"`
	MaxOpen  int           `yaml:"partitioner.max.open.files" doc:"finish a partition's open objects before there would be more; -1 for as many as there are folders, up to 10000"`
}

func rotationDefaults() Rotation {
	return Rotation{OnChange: true, MaxOpen: -1}
}

// mostOpen bounds the open objects of one partition where the settings do not.
const mostOpen = 10000

func (o *Rotation) validate(r *config.Report) {
	if o.Rows < 0 {
		r.Errorf("flush.size", "%d is negative; write a number of records, or 0 for no such limit", o.Rows)
	}
	if o.Bytes < 0 {
		r.Errorf("rotate.file.size.bytes", "%d is negative; write a size such as 128MiB, or 0 for no such limit", o.Bytes)
	}
	if o.MaxOpen == 0 || o.MaxOpen < -1 || o.MaxOpen > mostOpen {
		r.Errorf("partitioner.max.open.files", "%d is not a number of objects; write 1 to %d, or -1", o.MaxOpen, mostOpen)
	}
}

// schedule is rotate.schedule.interval.ms, or what stands in for it where there is no rule at all.
func (o *Rotation) schedule() time.Duration {
	if o.Rows == 0 && o.Bytes == 0 && o.Interval <= 0 && o.Schedule <= 0 {
		return time.Minute
	}
	return o.Schedule
}

// Batching leaves to the runtime what it can do as well, the number of records. It cuts by nothing
// else, unless its own keys are written.
func (c *Config) Batching() connect.Batching {
	b := connect.Batching{Rows: c.Rows, Bytes: math.MaxInt64, Linger: math.MaxInt64, Spooled: true}
	if b.Rows == 0 {
		b.Rows = math.MaxInt
	}
	return b
}

// rotation applies the rules to one partition.
type rotation struct {
	cfg      *Rotation
	moment   moment // nil: the clock
	span     int64  // of a folder by time, in milliseconds; 0 without
	location *time.Location

	seen  bool      // base and high are set
	base  int64     // time that rotate.interval.ms counts from
	high  int64     // latest time of all records
	began time.Time // when the range's first record came
}

func newRotation(c *Config) *rotation {
	o := &rotation{cfg: &c.Rotation, moment: newMoment(c)}
	o.location, _ = zone(c.Timezone) // checked by Validate
	_, span := c.buckets()
	o.span = span.Milliseconds()
	if o.span == 0 && o.moment == nil {
		o.moment = recordTime
	}
	return o
}

// recordTime is the moment of records where no partitioner says which.
func recordTime(r *record.Record) (int64, error) { return r.Timestamp, nil }

// ends says whether the range ends before r, by the times of records. A record that is late ends
// nothing, and none after it: times count from the latest one seen in the ranges before.
func (o *rotation) ends(r *record.Record, first bool) bool {
	if first {
		o.began = time.Now()
	}
	if o.cfg.Interval <= 0 || o.moment == nil {
		return false
	}
	at, err := o.moment(r)
	if err != nil {
		return false // Write says what is wrong with it
	}
	switch {
	case !o.seen:
		o.seen, o.base, o.high = true, at, at
	case first:
		o.base = max(o.high, at)
	case at-o.base >= o.cfg.Interval.Milliseconds(), o.cfg.OnChange && o.folder(at) > o.folder(o.high):
		return true
	}
	o.high = max(o.high, at)
	return false
}

// folder counts the folders of a partitioner by time.
func (o *rotation) folder(at int64) int64 {
	if o.span == 0 {
		return 0
	}
	_, offset := time.UnixMilli(at).In(o.location).Zone()
	return floor(at+int64(offset)*1000, o.span)
}

// due is when the range ends by the clock, or the zero time.
func (o *rotation) due() (at time.Time) {
	if d := o.cfg.Interval; d > 0 {
		at = o.began.Add(d)
		if o.moment != nil {
			// The record that ends the range by its own time is perhaps on its way.
			at = at.Add(min(d/10, 30*time.Second))
		}
	}
	if d := o.cfg.schedule(); d > 0 {
		if next := o.boundary(d); at.IsZero() || next.Before(at) {
			at = next
		}
	}
	return at
}

// boundary is the first multiple of d since midnight after the range began.
func (o *rotation) boundary(d time.Duration) time.Time {
	y, m, day := o.began.In(o.location).Date()
	midnight := time.Date(y, m, day, 0, 0, 0, 0, o.location)
	return midnight.Add((o.began.Sub(midnight)/d + 1) * d)
}
