package files

import (
	"fmt"
	"strconv"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// reader reads the text of one value. text is in the batch's memory.
type reader func(b *record.Batch, text []byte) (record.Value, error)

// columnType is the column of a type as csv.types names it.
func columnType(name string) (column, error) {
	optional := func(t record.Type) *record.Schema { return &record.Schema{Type: t, Optional: true} }
	kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ToLower(name)), "(")
	switch kind {
	case "int64", "int", "long", "bigint", "integer":
		return column{optional(record.Int64Type), readInt}, nil
	case "double", "float64", "float":
		return column{optional(record.Float64Type), readFloat}, nil
	case "boolean", "bool":
		return column{optional(record.BoolType), readBool}, nil
	case "string", "text":
		return column{optionalText, nil}, nil
	case "decimal", "numeric":
		scale, err := strconv.ParseUint(strings.TrimSuffix(rest, ")"), 10, 6)
		if err != nil {
			return column{}, fmt.Errorf("%q has no digits; write decimal(2)", name)
		}
		s := optional(record.BytesType)
		s.Name, s.Version, s.Params = record.DecimalName, 1, []record.Param{{Name: "scale", Value: strconv.FormatUint(scale, 10)}}
		return column{s, readDecimal(int(scale))}, nil
	case "date":
		s := optional(record.Int32Type)
		s.Name, s.Version = record.ConnectDate, 1
		return column{s, readDate}, nil
	case "timestamp":
		s := optional(record.Int64Type)
		s.Name, s.Version = record.MicroTimestampName, 1
		return column{s, readTimestamp}, nil
	}
	return column{}, fmt.Errorf("%q is not a type; write int64, double, boolean, string, decimal(2), date or timestamp", name)
}

func readInt(_ *record.Batch, text []byte) (record.Value, error) {
	n, err := convert.AsInt(record.Datum{Value: record.OfString(text)})
	return record.OfInt(n), err
}

func readFloat(_ *record.Batch, text []byte) (record.Value, error) {
	v, err := convert.AsFloat(record.Datum{Value: record.OfString(text)})
	return record.OfFloat(v), err
}

func readBool(_ *record.Batch, text []byte) (record.Value, error) {
	v, err := convert.AsBool(record.Datum{Value: record.OfString(text)})
	return record.OfBool(v), err
}

// readDecimal refuses more digits behind the point than the column has: nothing is rounded.
func readDecimal(scale int) reader {
	return func(b *record.Batch, text []byte) (record.Value, error) {
		var err error
		plain := b.Append(len(text)+scale, func(dst []byte) []byte {
			dst, err = convert.AsDecimal(dst, record.Datum{Value: record.OfNumber(text)})
			return dst
		})
		if err != nil {
			return record.Value{}, err
		}
		if _, fraction, ok := strings.Cut(string(plain), "."); ok && len(strings.TrimRight(fraction, "0")) > scale {
			return record.Value{}, fmt.Errorf("%q has more than %d digits behind the point", plain, scale)
		}
		return record.OfNumber(plain), nil
	}
}

func readDate(_ *record.Batch, text []byte) (record.Value, error) {
	n, err := convert.AsDays(record.Datum{Value: record.OfString(text)})
	return record.OfInt(int64(n)), err
}

func readTimestamp(_ *record.Batch, text []byte) (record.Value, error) {
	n, err := convert.AsMicros(record.Datum{Value: record.OfString(text)})
	return record.OfInt(n), err
}
