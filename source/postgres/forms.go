package postgres

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"connectd/record"
)

// decoder turns the text of a value, as PostgreSQL sends it, into a cell. text is in b's memory
// and belongs to the decoder: the cell may point into it.
type decoder func(v *record.Value, b *record.Batch, text []byte) error

// form is how the values of one PostgreSQL type are written.
type form struct {
	schema record.Schema // without Optional and Default
	decode decoder

	unknown bool // Debezium has no form of its own for the type
	omitted bool // the column is left out
	lost    bool // its values are left out

	zero      record.Value // stands in a NOT NULL column of a row of which only the key is known
	initial   record.Value // Debezium's default of a column whose default is a function
	unchanged record.Value // stands for an unchanged large value; Null where there is no such value
}

// forms are the forms of all types, as the modes of the configuration have them.
type forms struct {
	values      *Values
	unknown     bool   // types without a form of their own are octets, not text
	placeholder []byte // for unchanged large values
	debezium    bool   // lose what Debezium loses
	snapshot    bool   // of rows that SQL reads; in Debezium they differ from those of the stream
}

func newForms(c *Config) (*forms, error) {
	f := &forms{values: &c.Values, unknown: c.UnknownType, placeholder: []byte(c.Unavailable), debezium: c.Compat == "debezium"}
	if octets, ok := strings.CutPrefix(c.Unavailable, "hex:"); ok {
		p, err := hex.DecodeString(octets)
		if err != nil {
			return nil, fmt.Errorf("%q is not hexadecimal: %w", octets, err)
		}
		f.placeholder = p
	}
	return f, nil
}

// of is the form of values of type t with the modifier typmod (-1: none). types has every type
// that t refers to. dims is how many dimensions the column's declaration gives an array.
func (f *forms) of(types typeTable, t *pgType, typmod int32, dims int) form {
	switch {
	case t.kind == 'd':
		mod := t.baseMod
		if mod < 0 {
			mod = typmod
		}
		return f.of(types, types[t.base], mod, max(dims, t.dims))
	case t.array() && f.debezium:
		return f.debeziumArray(types, types[t.elem], typmod)
	case t.array():
		return f.array(f.of(types, types[t.elem], typmod, 0), types[t.elem], dims)
	case t.kind == 'e':
		return f.enum(t)
	case t.kind == 'r' && !(f.debezium && t.schema != "pg_catalog"):
		return f.text("")
	}
	if t.schema == "pg_catalog" {
		if made, ok := f.builtin(t, typmod); ok {
			return made
		}
	} else if made, ok := f.extension(t); ok {
		return made
	}
	if f.debezium && f.unknown && t.category == 'G' {
		made := f.octets(debeziumGeometric)
		made.unknown = true
		return made
	}
	return f.other()
}

// other is the form of a type that has none of its own.
func (f *forms) other() form {
	made := f.text("")
	if f.unknown {
		made = f.octets(decodeTextOctets)
	}
	made.unknown, made.omitted = true, f.debezium && !f.unknown
	return made
}

// builtin is the form of the server's own scalar types.
func (f *forms) builtin(t *pgType, typmod int32) (form, bool) {
	switch t.name {
	case "bool":
		return f.plain(record.BoolType, "", decodeBool, record.OfBool(false)), true
	case "int2":
		return f.plain(record.Int16Type, "", decodeInt, record.OfInt(0)), true
	case "int4":
		return f.plain(record.Int32Type, "", decodeInt, record.OfInt(0)), true
	case "int8", "oid":
		return f.plain(record.Int64Type, "", decodeInt, record.OfInt(0)), true
	case "float4":
		return f.plain(record.Float32Type, "", decodeFloat32, record.OfFloat(0)), true
	case "float8":
		return f.plain(record.Float64Type, "", decodeFloat64, record.OfFloat(0)), true
	case "numeric":
		return f.numeric(typmod), true
	case "money":
		return f.money(), true
	case "text", "varchar", "bpchar", "char", "inet", "cidr", "macaddr", "macaddr8":
		return f.text(""), true
	case "name":
		made := f.text("")
		made.lost = f.debezium && !f.snapshot
		return made, true
	case "json", "jsonb":
		made := f.text(record.JSONName)
		made.initial = record.OfText("{}")
		return made, true
	case "xml":
		return f.text(record.XMLName), true
	case "uuid":
		made := f.text(record.UUIDName)
		made.initial = record.OfText("00000000-0000-0000-0000-000000000000")
		return made, true
	case "tsvector":
		return f.text("io.debezium.data.Tsvector"), true
	case "bytea":
		return f.bytea(), true
	case "bit", "varbit":
		return f.bits(t.name, typmod), true
	case "date":
		return f.date(), true
	case "time":
		return f.time(typmod), true
	case "timetz":
		made := f.text(record.ZonedTimeName)
		made.decode, made.zero, made.initial = decodeZonedTime, record.OfText("00:00:00Z"), record.OfText("00:00:00Z")
		return made, true
	case "timestamp":
		return f.timestamp(typmod), true
	case "timestamptz":
		return f.zonedTimestamp(typmod), true
	case "interval":
		return f.interval(), true
	case "point":
		return f.point(), true
	}
	return form{}, false
}

// extension is the form of types that extensions define, wherever they were created.
func (f *forms) extension(t *pgType) (form, bool) {
	switch t.name {
	case "citext", "isbn":
		return f.text(""), true
	case "ltree":
		return f.text("io.debezium.data.Ltree"), true
	case "hstore":
		return f.hstore(), true
	case "vector":
		return f.vector("io.debezium.data.DoubleVector", record.Float64Type, decodeFloat64), true
	case "halfvec":
		return f.vector("io.debezium.data.FloatVector", record.Float32Type, decodeFloat32), true
	case "sparsevec":
		return f.sparse(), true
	case "geometry":
		return f.geometry("io.debezium.data.geometry.Geometry", "Geometry"), true
	case "geography":
		return f.geometry("io.debezium.data.geometry.Geography", "Geography"), true
	}
	return form{}, false
}

// plain is a form whose zero is also its default by a function. Debezium's logical types have
// version 1.
func (f *forms) plain(t record.Type, name string, d decoder, zero record.Value) form {
	made := form{schema: record.Schema{Type: t, Name: name}, decode: d, zero: zero, initial: zero}
	if name != "" {
		made.schema.Version = 1
	}
	return made
}

func (f *forms) text(name string) form {
	made := f.plain(record.StringType, name, decodeText, record.OfText(""))
	made.unchanged = record.OfString(f.placeholder)
	return made
}

func (f *forms) enum(t *pgType) form {
	made := f.text(record.EnumName)
	made.schema.Params = []record.Param{{Name: "allowed", Value: strings.Join(t.labels, ",")}}
	made.decode, made.initial = enumDecoder(t.labels), record.Value{}
	return made
}

// array is the form of an array of elements of the type elem. Arrays of arrays are nested, to
// the depth that the column declares.
func (f *forms) array(elem form, t *pgType, dims int) form {
	items := elem.schema
	// Debezium's: an enum's labels are not optional, nor what it does not know.
	items.Optional = t.kind != 'e' && !(f.debezium && elem.unknown)
	schema := record.Schema{Type: record.ArrayType, Elem: &items}
	for range max(dims, 1) - 1 {
		inner := schema
		inner.Optional = true
		schema = record.Schema{Type: record.ArrayType, Elem: &inner}
	}
	empty := record.OfArray([]record.Value{})
	return form{
		schema: schema, decode: arrayDecoder(elem.decode, t.delim, f.debezium),
		zero: empty, initial: empty, unchanged: f.unchangedArray(elem, t),
	}
}

// unchangedArray is the placeholder as an array: Debezium's, and for the types for which it
// would write null, the nearest that says the same.
func (f *forms) unchangedArray(elem form, t *pgType) record.Value {
	if f.debezium && !debeziumUnchanged[t.name] {
		return record.Value{}
	}
	switch {
	case t.name == "uuid":
		return record.OfArray([]record.Value{record.OfText(nameUUID(f.placeholder))})
	case !elem.unchanged.IsNull():
		return record.OfArray([]record.Value{elem.unchanged})
	case elem.schema.Type == record.StringType:
		return record.OfArray([]record.Value{record.OfString(f.placeholder)})
	case elem.schema.Name == record.DecimalName:
		return record.OfArray(f.codes(func(c byte) record.Value {
			return record.OfNumber(zeroDecimal(strconv.Itoa(int(c)), decimalScale(&elem.schema)))
		}))
	case elem.schema.Name == record.VariableScaleName:
		return record.OfArray(f.codes(func(c byte) record.Value {
			return record.OfStruct([]record.Value{record.OfInt(0), record.OfBytes([]byte{c})})
		}))
	}
	switch elem.schema.Type {
	case record.Int16Type, record.Int32Type, record.Int64Type:
		return record.OfArray(f.codes(intCode))
	case record.Float32Type, record.Float64Type:
		return record.OfArray(f.codes(floatCode))
	}
	return record.Value{}
}

// nameUUID is Java's UUID.nameUUIDFromBytes: version 3 without a name space.
func nameUUID(name []byte) string {
	sum := md5.Sum(name)
	sum[6] = sum[6]&0x0f | 0x30
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}
