package s3

import (
	"fmt"
	"strconv"
	"time"
	_ "time/tzdata" // small images have no time zones of their own

	"connectd/record"
)

// partitioner says in which folder of its topic a record belongs: the encoded partition of
// Confluent's connectors, such as year=2026/month=11/day=26.
type partitioner struct {
	delim  string
	fixed  string   // of the default partitioner
	fields []*path  // of the field partitioners
	names  []string // of headers
	time   *clock   // of the time partitioners, after the fields

	tombstone string
	buf       []byte
}

// clock buckets times. The last bucket's name is kept, for most records fall into it again.
type clock struct {
	moment   moment // nil for the wall clock
	duration int64  // of a bucket, in milliseconds
	location *time.Location
	pattern  pattern

	bucket int64 // in local milliseconds
	name   []byte
}

func newPartitioner(c *Config, p record.Partition) *partitioner {
	out := &partitioner{delim: c.Delim, tombstone: c.Tombstone}
	switch kind := c.partitioner(); kind {
	case "default":
		out.fixed = "partition=" + strconv.Itoa(int(p.ID))
	case "header":
		out.names = c.PartitionFields
	case "field", "field-and-time":
		for _, name := range c.PartitionFields {
			out.fields = append(out.fields, newPath(name))
		}
	}
	if format, duration := c.buckets(); format != "" {
		location, _ := zone(c.Timezone)    // checked by Validate,
		pattern, _ := parsePattern(format) // as this
		out.time = &clock{moment: newMoment(c), duration: duration.Milliseconds(), location: location, pattern: pattern}
	}
	return out
}

// encode is r's folder, valid until the next call. Of a wall clock's folder only what comes before
// the time is known: at is added when the time is.
func (p *partitioner) encode(r *record.Record) (folder []byte, err error) {
	p.buf = append(p.buf[:0], p.fixed...)
	if r.Value.IsNull() {
		return append(p.buf[:0], p.tombstone...), nil
	}
	for _, f := range p.fields {
		d, err := f.of(r.Value)
		if err != nil {
			return nil, fmt.Errorf("partition.field.name: %w", err)
		}
		if err := p.add(f.name, d); err != nil {
			return nil, fmt.Errorf("partition.field.name: %w", err)
		}
	}
	for _, name := range p.names {
		d, ok := header(r, name)
		if !ok {
			return nil, fmt.Errorf("partition.field.name: the record has no header %q", name)
		}
		if err := p.add(name, d); err != nil {
			return nil, fmt.Errorf("partition.field.name: %w", err)
		}
	}
	if p.time == nil || p.time.moment == nil {
		return p.buf, nil
	}
	ms, err := p.time.moment(r)
	if err != nil {
		return nil, err
	}
	return p.timed(p.buf, ms), nil
}

// timed is folder with the bucket of ms after it.
func (p *partitioner) timed(folder []byte, ms int64) []byte {
	if len(folder) > 0 {
		folder = append(folder, p.delim...)
	}
	return append(folder, p.time.at(ms)...)
}

// wall says whether the time of a folder is that of the flush.
func (p *partitioner) wall() bool { return p.time != nil && p.time.moment == nil }

// add appends name=value.
func (p *partitioner) add(name string, d record.Datum) error {
	if len(p.buf) > 0 {
		p.buf = append(p.buf, p.delim...)
	}
	p.buf = append(append(p.buf, name...), '=')
	switch v := d.Value; v.Kind {
	case record.Null:
		p.buf = append(p.buf, "null"...)
	case record.Bool:
		p.buf = strconv.AppendBool(p.buf, v.Bool())
	case record.Int:
		p.buf = strconv.AppendInt(p.buf, v.N, 10)
	case record.String:
		p.buf = append(p.buf, v.B...)
	default:
		return fmt.Errorf("field %q is neither a text, nor an integer, nor a boolean: no folder can be named after it", name)
	}
	return nil
}

// header is the last header called name: Kafka Connect's rule for names that repeat.
func header(r *record.Record, name string) (record.Datum, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Name == name {
			return r.Headers[i].Value, true
		}
	}
	return record.Datum{}, false
}

// at is the name of ms's bucket.
func (c *clock) at(ms int64) []byte {
	_, offset := time.UnixMilli(ms).In(c.location).Zone()
	bucket := floor(ms+int64(offset)*1000, c.duration) * c.duration
	if bucket != c.bucket || c.name == nil {
		local := time.UnixMilli(bucket).UTC()
		start := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), c.location)
		c.bucket, c.name = bucket, c.pattern.append(c.name[:0], start)
	}
	return c.name
}

// zone is a time zone by its name in the tz database, or by an offset such as +02:00.
func zone(name string) (*time.Location, error) {
	if at, err := time.Parse("-07:00", name); err == nil {
		_, seconds := at.Zone()
		return time.FixedZone(name, seconds), nil
	}
	return time.LoadLocation(name)
}
