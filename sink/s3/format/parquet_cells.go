package format

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/parquet-go/parquet-go"
)

// parquetColumn says what the cells of a column are like.
type parquetColumn struct {
	kind                   parquet.Kind
	size                   int // of a fixed length
	definition, repetition int // the highest levels
	dictionary             bool
}

// repeating says whether the texts or octets of a column are often the same ones, so that a
// dictionary is smaller than they are. For ids and hashes it would be work for nothing.
func (c *cells) repeating(column int) bool {
	values := c.columns[column]
	different, all := map[string]bool{}, 0
	for i := range values {
		if values[i].Kind() == parquet.ByteArray {
			different[string(values[i].ByteArray())] = true
			all++
		}
	}
	return all > 0 && len(different) <= (all+1)/2
}

var errCells = errors.New("the cells of a row are damaged")

// encode appends the cells of the one row that c has, column after column.
func (c *cells) encode(dst []byte, t *parquetTree) []byte {
	for i := range t.columns {
		of, values := &t.columns[i], c.columns[i]
		if of.repetition > 0 {
			dst = binary.AppendUvarint(dst, uint64(len(values)))
		}
		for j := range values {
			v := &values[j]
			if of.repetition > 0 {
				dst = append(dst, byte(v.RepetitionLevel()))
			}
			if of.definition > 0 {
				dst = append(dst, byte(v.DefinitionLevel()))
			}
			if v.DefinitionLevel() == of.definition {
				dst = of.encode(dst, v)
			}
		}
	}
	return dst
}

func (p *parquetColumn) encode(dst []byte, v *parquet.Value) []byte {
	switch p.kind {
	case parquet.Boolean:
		if v.Boolean() {
			return append(dst, 1)
		}
		return append(dst, 0)
	case parquet.Int32:
		return binary.AppendVarint(dst, int64(v.Int32()))
	case parquet.Int64:
		return binary.AppendVarint(dst, v.Int64())
	case parquet.Float:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.Float()))
	case parquet.Double:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Double()))
	case parquet.FixedLenByteArray:
		return append(dst, v.ByteArray()...)
	}
	octets := v.ByteArray()
	return append(binary.AppendUvarint(dst, uint64(len(octets))), octets...)
}

// decode adds the cells of a row, which keep pointing to it.
func (c *cells) decode(row []byte, t *parquetTree) error {
	for i := range t.columns {
		of, n := &t.columns[i], uint64(1)
		if of.repetition > 0 {
			var size int
			if n, size = binary.Uvarint(row); size <= 0 {
				return errCells
			}
			row = row[size:]
		}
		for range n {
			var l levels
			if of.repetition > 0 && len(row) > 0 {
				l.repetition, row = int(row[0]), row[1:]
			}
			if of.definition > 0 && len(row) > 0 {
				l.definition, row = int(row[0]), row[1:]
			}
			v := parquet.NullValue()
			if l.definition == of.definition {
				var size int
				if v, size = of.decode(row); size < 0 {
					return errCells
				}
				row = row[size:]
			}
			c.put(i, v, l)
		}
	}
	return nil
}

// decode is the value at the beginning of row and its size there, which is negative when it is
// damaged.
func (p *parquetColumn) decode(row []byte) (v parquet.Value, size int) {
	switch p.kind {
	case parquet.Boolean:
		if len(row) > 0 {
			return parquet.BooleanValue(row[0] != 0), 1
		}
	case parquet.Int32:
		if n, size := binary.Varint(row); size > 0 {
			return parquet.Int32Value(int32(n)), size
		}
	case parquet.Int64:
		if n, size := binary.Varint(row); size > 0 {
			return parquet.Int64Value(n), size
		}
	case parquet.Float:
		if len(row) >= 4 {
			return parquet.FloatValue(math.Float32frombits(binary.LittleEndian.Uint32(row))), 4
		}
	case parquet.Double:
		if len(row) >= 8 {
			return parquet.DoubleValue(math.Float64frombits(binary.LittleEndian.Uint64(row))), 8
		}
	case parquet.FixedLenByteArray:
		if len(row) >= p.size {
			return parquet.FixedLenByteArrayValue(row[:p.size]), p.size
		}
	default:
		if n, size := binary.Uvarint(row); size > 0 && uint64(len(row)-size) >= n {
			return parquet.ByteArrayValue(row[size : size+int(n)]), size + int(n)
		}
	}
	return v, -1
}
