package postgres

import (
	"strconv"

	"connectd/config"
	"connectd/convert"
	"connectd/record"
)

// What Debezium loses or changes on the way, for compat.mode debezium. All of it is listed, with
// what connectd writes instead, in docs/migrate-from-debezium.md.

// debeziumDefaults are the defaults that differ in this mode.
func (c *Config) debeziumDefaults(r *config.Report) {
	if !r.Set("event.converting.failure.handling.mode") {
		c.OnFailure = "warn"
	}
	if !r.Set("extended.headers.enabled") {
		c.Headers = true
	}
}

// inSnapshot are the forms of rows that SQL reads.
func (f *forms) inSnapshot() *forms {
	g := *f
	g.snapshot = true
	return &g
}

// debeziumNoArrays are the types of whose arrays Debezium writes nothing, whatever the
// configuration says.
var debeziumNoArrays = map[string]bool{
	"money": true, "name": true, "interval": true, "bit": true, "varbit": true, "xml": true, "point": true, "refcursor": true,
}

// debeziumUnchanged are the types whose arrays have a placeholder when they are unchanged; of
// others Debezium writes null.
var debeziumUnchanged = map[string]bool{
	"text": true, "varchar": true, "bpchar": true, "json": true, "jsonb": true,
	"bytea": true, "int4": true, "date": true, "int8": true, "uuid": true,
}

// debeziumArray is Debezium's form of an array of the type t: of one dimension, and not there
// when it has no form for the elements.
func (f *forms) debeziumArray(types typeTable, t *pgType, typmod int32) form {
	if t.schema == "pg_catalog" && debeziumNoArrays[t.name] {
		return form{omitted: true}
	}
	// Arrays come through the JDBC driver in the stream too.
	elem := f.inSnapshot().of(types, t, typmod, 0)
	if t.kind == 'd' {
		elem = f.other()
	}
	made := f.array(elem, t, 1)
	made.omitted = elem.omitted
	return made
}

// debeziumDate decodes a date as Debezium does: without BC in the snapshot, and with two
// different numbers for each infinity.
func debeziumDate(snapshot bool) decoder {
	infinite, minusInfinite := int64(-2147472692), int64(-2147472691)
	if snapshot {
		infinite, minusInfinite = -622191234, -625821272
	}
	return func(v *record.Value, b *record.Batch, text []byte) error {
		switch {
		case string(text) == "infinity":
			*v = record.OfInt(infinite)
			return nil
		case string(text) == "-infinity":
			*v = record.OfInt(minusInfinite)
			return nil
		case snapshot && len(text) > 3 && string(text[len(text)-3:]) == " BC":
			text = text[:len(text)-3]
		}
		return decodeDate(v, b, text)
	}
}

// debeziumGeometric is the text of a geometric type as Java's classes print it: with the numbers
// in Java's form.
func debeziumGeometric(v *record.Value, b *record.Batch, text []byte) error {
	*v = record.OfBytes(b.Append(2*len(text), func(dst []byte) []byte {
		for len(text) > 0 {
			end := 0
			for end < len(text) && (text[end] == '-' || text[end] == '+' || text[end] == '.' || text[end] == 'e' || text[end] >= '0' && text[end] <= '9') {
				end++
			}
			if n, err := strconv.ParseFloat(string(text[:end]), 64); err == nil {
				dst = convert.AppendJavaFloat(dst, n, 64)
			} else {
				end = max(end, 1)
				dst = append(dst, text[:end]...)
			}
			text = text[end:]
		}
		return dst
	}))
	return nil
}
