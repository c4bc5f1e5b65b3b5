package s3

import (
	"fmt"

	"connectd/sink/s3/format"
)

// chunkSize is how much of an object is compressed at once. Nothing of the compressor is kept from
// one chunk to the next, so that thousands of objects can be open; it makes objects about one
// percent larger. What an object's chunks are depends on its records alone.
const chunkSize = 128 << 10

// output is the content of an open object: compressed chunks and what is not a chunk yet, or the rows
// that it will be made of.
type output struct {
	raw, body buffer
	codec     format.Codec // nil for none
	rows      bool         // raw has the rows of a format.Converter, until the end
	err       error        // what went wrong when a chunk was compressed
}

func newOutput(s *spool, c format.Codec) *output {
	return &output{raw: buffer{spool: s}, body: buffer{spool: s}, codec: c}
}

// Write takes what the format has encoded. It returns no error, which would be taken for one of a
// record: it is kept.
func (o *output) Write(p []byte) (int, error) {
	if o.rows {
		return o.raw.Write(p)
	}
	if o.codec == nil {
		return o.body.Write(p)
	}
	_, _ = o.raw.Write(p)
	if o.raw.size() >= chunkSize && o.err == nil {
		o.err = o.pack()
	}
	return len(p), nil
}

func (o *output) pack() error {
	if err := o.codec.Chunk(&o.body, &o.raw); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return o.raw.reset()
}

// finish compresses the rest.
func (o *output) finish() error {
	if o.codec == nil || o.err != nil {
		return o.err
	}
	if o.raw.size() > 0 {
		if err := o.pack(); err != nil {
			return err
		}
	}
	return o.codec.End(&o.body)
}

// convert makes the body of the rows.
func (o *output) convert(c format.Converter) error {
	o.rows = false
	if err := c.Convert(spilling{&o.body}, o.raw.section(0, o.raw.size())); err != nil {
		return err
	}
	return o.raw.reset()
}

// spilling moves what is written to disk when there is enough of it.
type spilling struct{ *buffer }

func (s spilling) Write(p []byte) (int, error) {
	_, _ = s.buffer.Write(p)
	if s.inMemory() > bodyMemory {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// size is about what the object's size is so far.
func (o *output) size() int64 {
	if !o.rows && (o.codec == nil || o.body.size() == 0) {
		return o.body.size() + o.raw.size()
	}
	return o.body.size() + o.raw.size()/4
}

// held is the memory that o uses.
func (o *output) held() int { return o.raw.held() + o.body.held() }

// spill moves to disk what o holds in memory.
func (o *output) spill() error {
	if err := o.raw.spill(); err != nil {
		return err
	}
	return o.body.spill()
}

// reset gives back what o holds on disk.
func (o *output) reset() error {
	if err := o.raw.reset(); err != nil {
		return err
	}
	o.body.memory = nil // not for others: an upload that was given up may still read it
	return o.body.reset()
}
