package files

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/twmb/avro"

	"connectd/record"
)

// avroType turns values of one Avro type into cells.
type avroType struct {
	schema *record.Schema
	// read reads the next value into b's memory. Errors stay in the cursor.
	read func(b *record.Batch, c *avroCursor) record.Value
}

// avroTypeOf is the type of n. Logical types become those of Connect and Debezium, and what Kafka
// Connect's own Avro converter has noted in a schema (connect.name and its like) counts again.
func avroTypeOf(n *avro.SchemaNode) (avroType, error) {
	switch n.Type {
	case "record", "error":
		return avroRecord(n)
	case "array":
		return avroArray(n)
	case "map":
		return avroMap(n)
	case "union":
		return avroUnion(n)
	}
	schema, read := avroPlain(n)
	if schema == nil {
		return avroType{}, fmt.Errorf("the type %q contains itself, which has no form in Kafka Connect", n.Type)
	}
	avroConnect(schema, n.Props)
	return avroType{schema, read}, nil
}

// avroConnect takes over what Connect's Avro converter has noted.
func avroConnect(s *record.Schema, props map[string]any) {
	if name, ok := props["connect.name"].(string); ok {
		s.Name = name
	}
	if version, ok := props["connect.version"].(int64); ok {
		s.Version = int(version)
	}
	switch props["connect.type"] {
	case "int8":
		s.Type = record.Int8Type
	case "int16":
		s.Type = record.Int16Type
	}
	params, _ := props["connect.parameters"].(map[string]any)
	for name, value := range params {
		if text, ok := value.(string); ok && s.Param(name) == "" {
			s.Params = append(s.Params, record.Param{Name: name, Value: text})
		}
	}
}

// avroPlain is the schema and the reader of a type without parts; nil for none of those.
func avroPlain(n *avro.SchemaNode) (*record.Schema, func(*record.Batch, *avroCursor) record.Value) {
	switch n.Type {
	case "null":
		return &record.Schema{Optional: true}, func(*record.Batch, *avroCursor) record.Value { return record.Value{} }
	case "boolean":
		return &record.Schema{Type: record.BoolType}, func(_ *record.Batch, c *avroCursor) record.Value { return record.OfBool(c.bool()) }
	case "int", "long":
		return avroNumber(n), func(_ *record.Batch, c *avroCursor) record.Value { return record.OfInt(c.long()) }
	case "float":
		return &record.Schema{Type: record.Float32Type}, func(_ *record.Batch, c *avroCursor) record.Value { return record.OfFloat(c.float32()) }
	case "double":
		return &record.Schema{Type: record.Float64Type}, func(_ *record.Batch, c *avroCursor) record.Value { return record.OfFloat(c.float64()) }
	case "string":
		s := &record.Schema{Type: record.StringType}
		if n.LogicalType == "uuid" {
			s.Name, s.Version = record.UUIDName, 1
		}
		return s, func(b *record.Batch, c *avroCursor) record.Value { return record.OfString(b.Copy(c.octets())) }
	case "enum":
		return avroEnum(n)
	case "bytes":
		return avroOctets(n, (*avroCursor).octets)
	case "fixed":
		return avroOctets(n, func(c *avroCursor) []byte { return c.take(n.Size) })
	}
	return nil, nil
}

// avroNumber is the schema of an int or a long.
func avroNumber(n *avro.SchemaNode) *record.Schema {
	s := &record.Schema{Type: record.Int64Type}
	if n.Type == "int" {
		s.Type = record.Int32Type
	}
	switch n.LogicalType {
	case "date":
		s.Name = record.ConnectDate
	case "time-millis":
		s.Name = record.ConnectTime
	case "time-micros":
		s.Name = record.MicroTimeName
	case "timestamp-millis", "local-timestamp-millis":
		s.Name = record.ConnectTimestamp
	case "timestamp-micros", "local-timestamp-micros":
		s.Name = record.MicroTimestampName
	case "timestamp-nanos", "local-timestamp-nanos":
		s.Name = record.NanoTimestampName
	default:
		return s
	}
	s.Version = 1
	return s
}

func avroEnum(n *avro.SchemaNode) (*record.Schema, func(*record.Batch, *avroCursor) record.Value) {
	s := &record.Schema{Type: record.StringType, Name: record.EnumName, Version: 1, Params: []record.Param{{Name: "allowed", Value: strings.Join(n.Symbols, ",")}}}
	symbols := make([]record.Value, len(n.Symbols))
	for i, name := range n.Symbols {
		symbols[i] = record.OfText(name)
	}
	return s, func(_ *record.Batch, c *avroCursor) record.Value {
		i := c.long()
		if i < 0 || i >= int64(len(symbols)) {
			c.fail(fmt.Errorf("the enum %q has no symbol %d", n.Name, i))
			return record.Value{}
		}
		return symbols[i]
	}
}

// avroOctets are bytes and fixed, and what is kept in them. take takes the octets of one value.
func avroOctets(n *avro.SchemaNode, take func(*avroCursor) []byte) (*record.Schema, func(*record.Batch, *avroCursor) record.Value) {
	switch {
	case n.LogicalType == "decimal":
		s := &record.Schema{Type: record.BytesType, Name: record.DecimalName, Version: 1, Params: []record.Param{{Name: "scale", Value: strconv.Itoa(n.Scale)}}}
		if n.Precision > 0 {
			s.Params = append(s.Params, record.Param{Name: "connect.decimal.precision", Value: strconv.Itoa(n.Precision)})
		}
		var number big.Int
		return s, func(b *record.Batch, c *avroCursor) record.Value {
			return record.OfNumber(b.Copy(decimalText(setTwosComplement(&number, take(c)), n.Scale)))
		}
	case n.LogicalType == "uuid" && n.Type == "fixed" && n.Size == 16:
		return &record.Schema{Type: record.StringType, Name: record.UUIDName, Version: 1}, func(b *record.Batch, c *avroCursor) record.Value {
			id := take(c)
			if id == nil {
				return record.Value{}
			}
			return record.OfString(uuidText(b, id))
		}
	}
	return &record.Schema{Type: record.BytesType}, func(b *record.Batch, c *avroCursor) record.Value { return record.OfBytes(b.Copy(take(c))) }
}

func avroRecord(n *avro.SchemaNode) (avroType, error) {
	s := &record.Schema{Type: record.StructType, Name: avroName(n), Doc: n.Doc}
	avroConnect(s, n.Props)
	fields := make([]avroType, len(n.Fields))
	for i := range n.Fields {
		f := &n.Fields[i]
		var err error
		if fields[i], err = avroTypeOf(&f.Type); err != nil {
			return avroType{}, fmt.Errorf("field %q: %w", f.Name, err)
		}
		s.Fields = append(s.Fields, record.Field{Name: f.Name, Schema: fields[i].schema})
	}
	return avroType{s, func(b *record.Batch, c *avroCursor) record.Value {
		cells := b.Cells(len(fields))
		for i := range fields {
			cells[i] = fields[i].read(b, c)
		}
		return record.OfStruct(cells)
	}}, nil
}

// avroName is the full name of a named type.
func avroName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

func avroArray(n *avro.SchemaNode) (avroType, error) {
	elem, err := avroTypeOf(n.Items)
	if err != nil {
		return avroType{}, err
	}
	return avroType{&record.Schema{Type: record.ArrayType, Elem: elem.schema}, func(b *record.Batch, c *avroCursor) record.Value {
		return record.OfArray(avroItems(b, c, 1, func(cells []record.Value) { cells[0] = elem.read(b, c) }))
	}}, nil
}

func avroMap(n *avro.SchemaNode) (avroType, error) {
	elem, err := avroTypeOf(n.Values)
	if err != nil {
		return avroType{}, err
	}
	s := &record.Schema{Type: record.MapType, Key: &record.Schema{Type: record.StringType}, Elem: elem.schema}
	return avroType{s, func(b *record.Batch, c *avroCursor) record.Value {
		return record.OfMap(avroItems(b, c, 2, func(cells []record.Value) {
			cells[0] = record.OfString(b.Copy(c.octets()))
			cells[1] = elem.read(b, c)
		}))
	}}, nil
}

// avroItems reads the items of an array or a map, each of so many cells. Nearly always all items
// are in one block.
func avroItems(b *record.Batch, c *avroCursor, width int, read func(cells []record.Value)) []record.Value {
	var all []record.Value
	for n := c.count(); n > 0; n = c.count() {
		if room := len(all) + int(n)*width; room > cap(all) {
			all = append(b.Cells(max(room, 2*len(all)))[:0], all...)
		}
		for ; n > 0 && c.err == nil; n-- {
			at := len(all)
			all = all[:at+width]
			read(all[at:])
		}
	}
	return all
}

// avroUnion is the other branch when there are two and one is null, which is an optional value.
// Others become a struct with a field for each branch, of which one is set, as Confluent's
// converter has it.
func avroUnion(n *avro.SchemaNode) (avroType, error) {
	branches := make([]avroType, len(n.Branches))
	s := &record.Schema{Type: record.StructType, Name: "io.confluent.connect.avro.Union"}
	at := make([]int, len(n.Branches)) // the field of a branch; -1 for null
	for i := range n.Branches {
		branch := &n.Branches[i]
		at[i] = -1
		if branch.Type == "null" {
			s.Optional = true
			continue
		}
		var err error
		if branches[i], err = avroTypeOf(branch); err != nil {
			return avroType{}, err
		}
		at[i] = len(s.Fields)
		name := branch.Type
		if branch.Name != "" {
			name = branch.Name[strings.LastIndexByte(branch.Name, '.')+1:]
		}
		s.Fields = append(s.Fields, record.Field{Name: name, Schema: branches[i].schema})
	}
	single := len(s.Fields) == 1
	if single {
		optional := *s.Fields[0].Schema
		optional.Optional = s.Optional
		s = &optional
	} else {
		for _, f := range s.Fields {
			f.Schema.Optional = true
		}
	}
	return avroType{s, func(b *record.Batch, c *avroCursor) record.Value {
		i := c.long()
		switch {
		case i < 0 || i >= int64(len(branches)):
			c.fail(errors.New("a union has no such branch"))
		case at[i] < 0:
		case single:
			return branches[i].read(b, c)
		default:
			cells := b.Cells(len(s.Fields))
			cells[at[i]] = branches[i].read(b, c)
			return record.OfStruct(cells)
		}
		return record.Value{}
	}}, nil
}
