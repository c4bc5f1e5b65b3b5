package format

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"

	twmb "github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"connectd/convert/avro"
	"connectd/record"
)

// Avro is about objects in Avro, by the names of Confluent's AvroFormat.
type Avro struct {
	Codec           string `yaml:"avro.codec" values:"null,deflate,snappy,zstandard" doc:"compression of the blocks, with format.class: avro; write null in quotes"`
	Metadata        bool   `yaml:"connect.meta.data" doc:"with format.class: avro, keep what Kafka Connect knows of a schema and Avro has no place for, such as connect.name"`
	Enhanced        bool   `yaml:"enhanced.avro.schema.support" doc:"with format.class: avro, keep enums, and the namespaces of the types of a union"`
	Scrub           bool   `yaml:"scrub.invalid.names" doc:"with format.class: avro, replace what Avro does not allow in the names of schemas and fields"`
	OptionalMapKeys bool   `yaml:"allow.optional.map.keys" doc:"with format.class: avro, write maps whose keys are optional strings as Avro maps too"`
}

// avroBlock is how many bytes of records a block has, before it is compressed. An open object holds
// so much in memory.
const avroBlock = 32 << 10

// avroFile writes an Avro object container file.
// See https://avro.apache.org/docs/1.12.0/specification/#object-container-files.
type avroFile struct {
	out     io.Writer
	options avro.Options
	codec   ocf.Codec

	mapping *avro.Mapping
	schema  *record.Schema // that mapping is of
	untyped bool           // each value describes itself: mapping changes, the Avro schema does not
	shapes  map[*record.Schema]*avro.Mapping

	envelope *avroEnvelope // nil without

	file  *ocf.Writer // nil until the first record
	datum []byte
	block int // bytes of the block that is open
}

func newAvro(c *Config, schema *record.Schema, out io.Writer) (*avroFile, error) {
	a := &avroFile{
		out: out, codec: avroCodec(c.Avro.Codec), untyped: schema == nil, shapes: map[*record.Schema]*avro.Mapping{},
		options: avro.Options{Metadata: c.Avro.Metadata, Enhanced: c.Avro.Enhanced, Scrub: c.Avro.Scrub, OptionalMapKeys: c.Avro.OptionalMapKeys},
	}
	switch {
	case !c.plainValue():
		var err error
		if a.envelope, err = newAvroEnvelope(c, schema); err != nil {
			return nil, err
		}
		schema = a.envelope.schema
	case !a.untyped && schema.Optional && schema.Type == record.StructType:
		// Many readers want a record at the root, not a union.
		required := *schema
		required.Optional = false
		schema = &required
	}
	return a, a.use(schema)
}

// mostShapes bounds the memory of mappings of data without a schema.
const mostShapes = 1000

// use makes mapping that of s.
func (a *avroFile) use(s *record.Schema) (err error) {
	m, ok := a.shapes[s]
	if !ok {
		if m, err = avro.Map(s, a.options); err != nil {
			return fmt.Errorf("as Avro: %w", err)
		}
		if len(a.shapes) >= mostShapes {
			clear(a.shapes)
		}
		a.shapes[s] = m
	}
	a.mapping, a.schema = m, s
	return nil
}

// Append writes one datum.
func (a *avroFile) Append(b *record.Batch, i int) (err error) {
	r := &b.Records[i]
	v := &r.Value.Value
	switch {
	case a.envelope != nil:
		if v, err = a.envelope.of(r); err != nil {
			return err
		}
	case a.untyped && r.Value.Schema != a.schema:
		if err := a.use(r.Value.Schema); err != nil {
			return err
		}
	}
	if a.datum, err = a.mapping.Append(a.datum[:0], v); err != nil {
		return err
	}
	if a.file == nil {
		if err := a.begin(r); err != nil {
			return err
		}
	}
	if a.block += len(a.datum); a.block >= avroBlock {
		a.block = 0
	}
	_, err = a.file.Write(a.datum)
	return err
}

// begin writes the header. The marker between blocks is made of where the object begins, so that the
// same range of records is the same bytes.
func (a *avroFile) begin(r *record.Record) error {
	text := a.mapping.Schema()
	schema, err := twmb.Parse(text, twmb.WithLaxNames(nil))
	if err != nil {
		return fmt.Errorf("as Avro: %w", err)
	}
	id := binary.BigEndian.AppendUint64([]byte(text+"\x00"+r.Topic+"\x00"), uint64(r.Partition))
	marker := md5.Sum(binary.BigEndian.AppendUint64(id, uint64(r.Offset)))
	a.file, err = ocf.NewWriter(a.out, schema, ocf.WithSchema(text), ocf.WithCodec(a.codec), ocf.WithBlockBytes(avroBlock), ocf.WithSyncMarker(marker))
	return err
}

// Buffered is the block that is open.
func (a *avroFile) Buffered() int { return a.block + cap(a.datum) }

// Close writes the last block.
func (a *avroFile) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
