package files

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/parquet-go/parquet-go"
	pq "github.com/parquet-go/parquet-go/format"

	"connectd/record"
)

// parquetRows makes a record of each row of a Parquet file whose columns are flat. A position in
// such a file is a number of rows, kept as the line; the offset stays 0 until the file is done.
type parquetRows struct {
	in      *input
	out     *output
	content *content
	size    int64
	total   int64 // rows
	head    []byte
	schema  *record.Schema
	columns []parquetColumn
	groups  []parquet.RowGroup // not yet read
	rows    parquet.Rows       // of the group at hand; nil between groups
	buffer  []parquet.Row
	ready   []parquet.Row
}

// parquetRange is how much of a column is asked for at once when it lies in a bucket.
const parquetRange = 256 << 10

// parquetColumn turns the values of one column into cells.
type parquetColumn func(b *record.Batch, v parquet.Value) (record.Value, error)

func newParquet(s *Source, f *file) (*parquetRows, error) {
	if s.config.Mode == "tail" {
		return nil, errors.New("a Parquet file does not grow; read it with mode: complete")
	}
	if !f.content.plain {
		return nil, errors.New("a Parquet file is compressed inside, this one is as a whole; unpack it")
	}
	now, err := f.content.file.stat()
	if err != nil {
		return nil, err
	}
	p := &parquetRows{in: f.in, out: f.out, content: f.content, size: now.size, buffer: make([]parquet.Row, 128)}
	p.head = make([]byte, min(p.size, int64(s.config.Fingerprint)))
	if _, err := f.content.file.ReadAt(p.head, 0); err != nil {
		return nil, err
	}
	options := []parquet.FileOption{parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true)}
	if now.etag != "" {
		options = append(options, parquet.ReadBufferSize(parquetRange))
	}
	open, err := parquet.OpenFile(f.content.file, p.size, options...)
	if err != nil {
		return nil, err
	}
	p.schema = &record.Schema{Type: record.StructType}
	for _, field := range open.Schema().Fields() {
		if !field.Leaf() || field.Repeated() {
			return nil, fmt.Errorf("column %q is nested or repeated, which is not supported yet; write flat columns", field.Name())
		}
		schema, read, err := parquetType(field.Type())
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", field.Name(), err)
		}
		schema.Optional = field.Optional()
		p.schema.Fields = append(p.schema.Fields, record.Field{Name: field.Name(), Schema: schema})
		p.columns = append(p.columns, read)
	}
	p.groups, p.total = open.RowGroups(), open.NumRows()
	p.in.line, p.in.lines = f.state.Line, f.state.Line
	return p, p.seek(f.state.Line)
}

// seek leaves out the first rows.
func (p *parquetRows) seek(rows int64) error {
	for len(p.groups) > 0 && rows >= p.groups[0].NumRows() {
		rows -= p.groups[0].NumRows()
		p.groups = p.groups[1:]
	}
	if len(p.groups) == 0 || rows == 0 {
		return nil
	}
	p.open()
	return p.rows.SeekToRow(rows)
}

// open begins the next group.
func (p *parquetRows) open() {
	p.rows, p.groups = p.groups[0].Rows(), p.groups[1:]
}

func (p *parquetRows) next(b *record.Batch, _ bool) error {
	for len(p.ready) == 0 {
		if p.rows == nil {
			if len(p.groups) == 0 {
				return p.end()
			}
			p.open()
		}
		n, err := p.rows.ReadRows(p.buffer)
		p.ready = p.buffer[:n]
		if errors.Is(err, io.EOF) {
			err = p.rows.Close()
			p.rows = nil
		}
		if err != nil {
			return err
		}
	}
	row := p.ready[0]
	p.ready = p.ready[1:]
	p.add(b, row)
	p.in.lines++
	p.in.line = p.in.lines
	return nil
}

func (p *parquetRows) add(b *record.Batch, row parquet.Row) {
	at := p.in.line
	cells := b.Cells(len(p.columns))
	for _, v := range row {
		if v.IsNull() {
			continue
		}
		var err error
		if cells[v.Column()], err = p.columns[v.Column()](b, v); err != nil {
			p.out.refuse(b, fmt.Append(nil, row), at, at, fmt.Errorf("column %q: %w", p.schema.Fields[v.Column()].Name, err))
			return
		}
	}
	r := p.out.add(b, at, at)
	r.Value = record.Datum{Schema: p.schema, Value: record.OfStruct(cells)}
	if err := p.out.describe(b, r); err != nil {
		b.Fail(len(b.Records)-1, fmt.Errorf("%s, row %d: %w", p.out.path, at+1, err))
	}
}

// end moves the position to the end of the file.
func (p *parquetRows) end() error {
	tail := make([]byte, min(p.size, tailBytes))
	if _, err := p.content.file.ReadAt(tail, p.size-int64(len(tail))); err != nil {
		return err
	}
	p.in.resume(p.head, tail, p.size, p.in.lines)
	return errMore
}

// parquetType is the schema of a column's values and what reads them.
func parquetType(t parquet.Type) (*record.Schema, parquetColumn, error) {
	var logical pq.LogicalTypeValue
	if l := t.LogicalType(); l != nil {
		logical = l.Value
	}
	named := func(t record.Type, name string) *record.Schema {
		return &record.Schema{Type: t, Name: name, Version: 1}
	}
	if d, ok := logical.(*pq.DecimalType); ok {
		s := named(record.BytesType, record.DecimalName)
		s.Params = []record.Param{{Name: "scale", Value: strconv.Itoa(int(d.Scale))}, {Name: "connect.decimal.precision", Value: strconv.Itoa(int(d.Precision))}}
		return s, parquetDecimal(t.Kind(), int(d.Scale)), nil
	}
	switch t.Kind() {
	case parquet.Boolean:
		return &record.Schema{Type: record.BoolType}, func(_ *record.Batch, v parquet.Value) (record.Value, error) { return record.OfBool(v.Boolean()), nil }, nil
	case parquet.Float:
		return &record.Schema{Type: record.Float32Type}, func(_ *record.Batch, v parquet.Value) (record.Value, error) {
			return record.OfFloat(float64(v.Float())), nil
		}, nil
	case parquet.Double:
		return &record.Schema{Type: record.Float64Type}, func(_ *record.Batch, v parquet.Value) (record.Value, error) { return record.OfFloat(v.Double()), nil }, nil
	case parquet.Int32:
		return parquetInt32(logical, named)
	case parquet.Int64:
		return parquetInt64(logical, named)
	case parquet.Int96:
		return named(record.Int64Type, record.MicroTimestampName), parquetInt96, nil
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return parquetBytes(logical, named)
	}
	return nil, nil, fmt.Errorf("values of type %s are not supported yet; write timestamps as INT64", t)
}

func parquetInt32(logical pq.LogicalTypeValue, named func(record.Type, string) *record.Schema) (*record.Schema, parquetColumn, error) {
	read := func(_ *record.Batch, v parquet.Value) (record.Value, error) {
		return record.OfInt(int64(v.Int32())), nil
	}
	switch l := logical.(type) {
	case *pq.DateType:
		return named(record.Int32Type, record.ConnectDate), read, nil
	case *pq.TimeType:
		return named(record.Int32Type, record.ConnectTime), read, nil
	case *pq.IntType:
		if !l.IsSigned {
			return &record.Schema{Type: record.Int64Type}, func(_ *record.Batch, v parquet.Value) (record.Value, error) {
				return record.OfInt(int64(v.Uint32())), nil
			}, nil
		}
	}
	return &record.Schema{Type: record.Int32Type}, read, nil
}

// parquetInt96 is a timestamp as Spark, Hive and Impala have written it: nanoseconds of the day, and
// the Julian day.
func parquetInt96(_ *record.Batch, v parquet.Value) (record.Value, error) {
	const epoch = 2440588 // 1970-01-01
	n := v.Int96()
	nanos, day := int64(uint64(n[1])<<32|uint64(n[0])), int64(n[2])
	return record.OfInt((day-epoch)*86_400_000_000 + nanos/1000), nil
}

var errUnsigned = errors.New("the number is beyond 63 bits")

func parquetInt64(logical pq.LogicalTypeValue, named func(record.Type, string) *record.Schema) (*record.Schema, parquetColumn, error) {
	read := func(_ *record.Batch, v parquet.Value) (record.Value, error) { return record.OfInt(v.Int64()), nil }
	switch l := logical.(type) {
	case *pq.TimestampType:
		switch l.Unit.Value.(type) {
		case *pq.MilliSeconds:
			return named(record.Int64Type, record.ConnectTimestamp), read, nil
		case *pq.MicroSeconds:
			return named(record.Int64Type, record.MicroTimestampName), read, nil
		}
		return named(record.Int64Type, record.NanoTimestampName), read, nil
	case *pq.TimeType:
		if _, ok := l.Unit.Value.(*pq.MicroSeconds); ok {
			return named(record.Int64Type, record.MicroTimeName), read, nil
		}
		return named(record.Int64Type, record.NanoTimeName), read, nil
	case *pq.IntType:
		if !l.IsSigned {
			return &record.Schema{Type: record.Int64Type}, func(_ *record.Batch, v parquet.Value) (record.Value, error) {
				if v.Int64() < 0 {
					return record.Value{}, errUnsigned
				}
				return record.OfInt(v.Int64()), nil
			}, nil
		}
	}
	return &record.Schema{Type: record.Int64Type}, read, nil
}

func parquetBytes(logical pq.LogicalTypeValue, named func(record.Type, string) *record.Schema) (*record.Schema, parquetColumn, error) {
	text := func(b *record.Batch, v parquet.Value) (record.Value, error) {
		return record.OfString(b.Copy(v.ByteArray())), nil
	}
	switch logical.(type) {
	case *pq.StringType:
		return &record.Schema{Type: record.StringType}, text, nil
	case *pq.EnumType:
		return named(record.StringType, record.EnumName), text, nil
	case *pq.JsonType:
		return named(record.StringType, record.JSONName), text, nil
	case *pq.UUIDType:
		return named(record.StringType, record.UUIDName), parquetUUID, nil
	}
	return &record.Schema{Type: record.BytesType}, func(b *record.Batch, v parquet.Value) (record.Value, error) {
		return record.OfBytes(b.Copy(v.ByteArray())), nil
	}, nil
}

func parquetUUID(b *record.Batch, v parquet.Value) (record.Value, error) {
	id := v.ByteArray()
	if len(id) != 16 {
		return record.Value{}, fmt.Errorf("a UUID of %d bytes", len(id))
	}
	return record.OfString(uuidText(b, id)), nil
}

// uuidText is a UUID of 16 bytes as text.
func uuidText(b *record.Batch, id []byte) []byte {
	return b.Append(36, func(dst []byte) []byte {
		for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
			if i > 0 {
				dst = append(dst, '-')
			}
			dst = hex.AppendEncode(dst, part)
		}
		return dst
	})
}

func parquetDecimal(kind parquet.Kind, scale int) parquetColumn {
	return func(b *record.Batch, v parquet.Value) (record.Value, error) {
		var n big.Int
		switch kind {
		case parquet.Int32:
			n.SetInt64(int64(v.Int32()))
		case parquet.Int64:
			n.SetInt64(v.Int64())
		default:
			setTwosComplement(&n, v.ByteArray())
		}
		return record.OfNumber(b.Copy(decimalText(&n, scale))), nil
	}
}

// setTwosComplement makes n the number of big-endian octets, and returns it.
func setTwosComplement(n *big.Int, octets []byte) *big.Int {
	n.SetBytes(octets)
	if len(octets) > 0 && octets[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(octets))))
	}
	return n
}

// decimalText is n with a point before its last digits.
func decimalText(n *big.Int, scale int) []byte {
	digits := new(big.Int).Abs(n).Append(nil, 10)
	for len(digits) <= scale {
		digits = append([]byte{'0'}, digits...)
	}
	var text []byte
	if n.Sign() < 0 {
		text = append(text, '-')
	}
	text = append(text, digits[:len(digits)-scale]...)
	if scale > 0 {
		text = append(append(text, '.'), digits[len(digits)-scale:]...)
	}
	return text
}
