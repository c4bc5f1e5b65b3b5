package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"connectd/record"
)

const (
	avroMagic     = "Obj\x01"
	avroSync      = 16       // bytes of the marker behind each block
	maxAvroBlock  = 64 << 20 // of a block, before and after it is decompressed: the library's limit too
	maxAvroHeader = 16 << 20
)

// avroRows makes a record of each datum of an Avro object container file. The library knows
// schemas and codecs; blocks and values are read here, because a position is a block and a number
// of records in it, and the library reads files from their begin only.
// See https://avro.apache.org/docs/1.12.0/specification/#object-container-files.
type avroRows struct {
	in    *input
	out   *output
	codec avroCodec
	sync  []byte
	root  avroType

	block []byte     // decompressed
	rest  avroCursor // what is not read of it
	count int64      // records of the block
	row   int64      // how many of them were read
	size  int        // of the block in the file; 0 between blocks
}

// avroCodec is what all codecs of the library are.
type avroCodec interface {
	ocf.BoundedDecompressor
	Close() error
}

func newAvro(s *Source, f *file) (*avroRows, error) {
	if s.config.Mode == "tail" {
		return nil, errors.New("an Avro file is read once; set mode: complete")
	}
	a := &avroRows{in: f.in, out: f.out, row: f.state.Row}
	in := f.in
	if in.position > 0 { // the header is behind: it is read again
		c, err := s.openContent(f.entry)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		in = newInput(c, in.max, 0)
	}
	if err := a.header(in); err != nil {
		return nil, err
	}
	in.commit()
	return a, nil
}

// header reads what a file begins with: the magic, a map with schema and codec, and the marker.
func (a *avroRows) header(in *input) error {
	for want := 4 << 10; ; want *= 2 {
		p, err := in.peek(want)
		if err != nil {
			return err
		}
		if len(p) >= len(avroMagic) && string(p[:len(avroMagic)]) != avroMagic {
			return errors.New("this is no Avro object container file")
		}
		c := avroCursor{p: p}
		c.take(len(avroMagic))
		meta := map[string][]byte{}
		for n := c.count(); n > 0; n = c.count() {
			for ; n > 0 && c.err == nil; n-- {
				key := string(c.octets())
				meta[key] = bytes.Clone(c.octets())
			}
		}
		a.sync = bytes.Clone(c.take(avroSync))
		switch {
		case c.err == nil:
			in.take(len(p)-len(c.p), 0)
			return a.begin(meta)
		case len(p) < want || want > maxAvroHeader:
			return fmt.Errorf("read the header: %w", c.err)
		}
	}
}

func (a *avroRows) begin(meta map[string][]byte) error {
	var codec ocf.Codec
	switch name := string(meta["avro.codec"]); name {
	case "", "null":
	case "deflate":
		codec = ocf.DeflateCodec(-1)
	case "snappy":
		codec = ocf.SnappyCodec()
	case "zstandard":
		var err error
		if codec, err = ocf.ZstdCodec(nil, nil); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the codec %q is not supported; write null, deflate, snappy or zstandard", name)
	}
	if codec != nil {
		a.codec = codec.(avroCodec) // as all of them are
	}
	schema, err := avro.Parse(string(meta["avro.schema"]), avro.WithLaxNames(nil))
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	a.root, err = avroTypeOf(schema.Root().ExpandReferences())
	return err
}

// close ends the codec.
func (a *avroRows) close() {
	if a.codec != nil {
		_ = a.codec.Close() // it only reads
	}
}

func (a *avroRows) next(b *record.Batch, final bool) error {
	for a.size == 0 || a.row >= a.count {
		if err := a.nextBlock(b, final); err != nil {
			return err
		}
	}
	at, before := a.in.position, a.in.lines
	v := a.root.read(b, &a.rest)
	if a.rest.err != nil {
		return fmt.Errorf("record %d of the block at %d: %w", a.row+1, at, a.rest.err)
	}
	a.counted()
	r := a.out.add(b, at, before)
	r.Value = record.Datum{Schema: a.root.schema, Value: v}
	if err := a.out.describe(b, r); err != nil {
		b.Fail(len(b.Records)-1, fmt.Errorf("%s, record %d: %w", a.out.path, before+1, err))
	}
	return nil
}

// counted moves the position behind a record, and behind its block when it is the last one: what
// is durable is then never a position before a block that is read.
func (a *avroRows) counted() {
	a.row++
	a.in.lines++
	a.in.line = a.in.lines
	if a.row == a.count {
		a.endBlock()
	}
}

func (a *avroRows) endBlock() {
	a.in.take(a.size, 0)
	a.in.commit()
	a.size, a.count, a.row = 0, 0, 0
}

// nextBlock decompresses the block that comes next. Records of it that were read before a restart
// are left out.
func (a *avroRows) nextBlock(b *record.Batch, final bool) error {
	head, err := a.in.peek(2 * binary.MaxVarintLen64)
	if err != nil {
		return err
	}
	if len(head) == 0 {
		return errMore
	}
	c := avroCursor{p: head}
	count, size := c.long(), c.long()
	n := len(head) - len(c.p)
	if c.err == nil && (count < 0 || size < 0 || size > maxAvroBlock) {
		return fmt.Errorf("the block at %d says that it has %d records in %d bytes, want at most %d bytes", a.in.position, count, size, maxAvroBlock)
	}
	whole := n + int(size) + avroSync
	p, err := a.in.peek(whole)
	if err != nil {
		return err
	}
	switch {
	case c.err != nil || len(p) < whole:
		if !final {
			return errMore
		}
		return fmt.Errorf("the file ends inside of the block at %d", a.in.position)
	case !bytes.Equal(p[whole-avroSync:whole], a.sync):
		return fmt.Errorf("the block at %d does not end with the file's marker", a.in.position)
	}
	a.block = p[n : n+int(size)]
	if a.codec != nil {
		if a.block, err = a.codec.DecompressBounded(a.block, maxAvroBlock); err != nil {
			return fmt.Errorf("decompress the block at %d: %w", a.in.position, err)
		}
	}
	a.rest, a.count, a.size = avroCursor{p: a.block}, count, whole
	if a.row >= count { // an empty one
		a.endBlock()
		return nil
	}
	var dropped record.Batch
	for range a.row {
		a.root.read(&dropped, &a.rest)
		dropped.Reset()
	}
	return a.rest.err
}
