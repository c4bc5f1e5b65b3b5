package postgres

import (
	"encoding/hex"
	"strings"
	"testing"

	"connectd/record"
)

// The point (1 2) as well-known binary, in both byte orders, without and with the SRID 4326.
const (
	littlePoint     = "0101000000000000000000f03f0000000000000040"
	littlePoint4326 = "0101000020e6100000000000000000f03f0000000000000040"
	bigPoint        = "00000000013ff00000000000004000000000000000"
	bigPoint4326    = "0020000001000010e63ff00000000000004000000000000000"
)

func octetsOfHex(t *testing.T, text string) record.Value {
	t.Helper()
	octets, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return record.OfBytes(octets)
}

// geometryOf is {wkb, srid} as Debezium's sources write it.
func geometryOf(t *testing.T, kind, wkb string, srid record.Value) record.Datum {
	t.Helper()
	return record.Datum{
		Schema: &record.Schema{Type: record.StructType, Name: "io.debezium.data.geometry." + kind, Optional: true, Fields: []record.Field{
			{Name: "wkb", Schema: &record.Schema{Type: record.BytesType}},
			{Name: "srid", Schema: &record.Schema{Type: record.Int32Type, Optional: true}},
		}},
		Value: record.OfStruct([]record.Value{octetsOfHex(t, wkb), srid}),
	}
}

func pointOf(x, y float64) record.Datum {
	double := &record.Schema{Type: record.Float64Type}
	return record.Datum{
		Schema: &record.Schema{Type: record.StructType, Name: "io.debezium.data.geometry.Point", Fields: []record.Field{{Name: "x", Schema: double}, {Name: "y", Schema: double}}},
		Value:  record.OfStruct([]record.Value{record.OfFloat(x), record.OfFloat(y)}),
	}
}

// putFields writes one record of these fields, with their schemas.
func (p *part) putFields(names []string, fields ...record.Datum) {
	p.Helper()
	schema, value := &record.Schema{Type: record.StructType}, []record.Value{}
	for i, f := range fields {
		schema.Fields = append(schema.Fields, record.Field{Name: names[i], Schema: f.Schema})
		value = append(value, f.Value)
	}
	b := p.batch([2]string{"", "{}"})
	b.Records[0].Value = record.Datum{Schema: schema, Value: record.OfStruct(value)}
	if err := p.w.Write(p.Context(), b); err != nil || len(b.Failed()) > 0 {
		p.Fatal(err, b.Failed())
	}
	p.flush()
}

// TestGeometryText has a type of the name geometry that keeps what it is given.
func TestGeometryText(t *testing.T) {
	g := newTarget(t)
	g.exec("CREATE TYPE geometry", "CREATE FUNCTION geometry_in(cstring) RETURNS geometry LANGUAGE internal IMMUTABLE STRICT AS 'textin'",
		"CREATE FUNCTION geometry_out(geometry) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout'",
		"CREATE TYPE geometry (INPUT = geometry_in, OUTPUT = geometry_out, LIKE = text)")
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true"))
	srid := record.OfInt(4326)
	for _, test := range []struct {
		value record.Datum
		want  string
	}{
		{geometryOf(t, "Geometry", littlePoint, srid), littlePoint4326},
		{geometryOf(t, "Geometry", bigPoint, srid), bigPoint4326},
		{geometryOf(t, "Geometry", littlePoint4326, srid), littlePoint4326},
		{geometryOf(t, "Geometry", littlePoint4326, record.Value{}), littlePoint4326},
		{geometryOf(t, "Geometry", littlePoint, record.Value{}), littlePoint},
		{record.Datum{Schema: &record.Schema{Type: record.BytesType}, Value: octetsOfHex(t, bigPoint)}, bigPoint},
		{record.Datum{Value: record.OfJSON([]byte(`{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":4326}`)), Schema: &record.Schema{Type: record.AnyType}}, littlePoint4326},
		{record.Datum{Value: record.OfJSON([]byte(`{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null}`)), Schema: &record.Schema{Type: record.AnyType}}, littlePoint},
		{record.Datum{Value: record.OfJSON([]byte(`{"type":"Point","coordinates":[1,2]}`)), Schema: &record.Schema{Type: record.AnyType}}, `{"type":"Point","coordinates":[1,2]}`},
		{record.Datum{Value: record.OfText("SRID=4326;POINT(1 2)"), Schema: &record.Schema{Type: record.StringType}}, "SRID=4326;POINT(1 2)"},
	} {
		p.putFields([]string{"place"}, test.value)
		var got, kind string
		if err := g.sql.QueryRow(t.Context(), "DELETE FROM orders RETURNING place::text, pg_typeof(place)::text").Scan(&got, &kind); err != nil {
			t.Fatal(err)
		}
		if got != test.want || kind != "geometry" {
			t.Errorf("got %s of type %s, want %s", got, kind, test.want)
		}
	}
	for _, bad := range []string{`{"place":{"wkb":"AQ==","srid":1}}`, `{"place":7}`} {
		if failed := p.write([2]string{"", bad}); len(failed) != 1 || !strings.Contains(failed[0].Err.Error(), "geometry") {
			t.Errorf("%s: got %v, want a refusal", bad, failed)
		}
	}
}

func TestPoint(t *testing.T) {
	g := newTarget(t)
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true"))
	p.putFields([]string{"place"}, pointOf(1.5, -2))
	p.put([2]string{"", `{"place":{"x":3,"y":4e10,"wkb":"AQ==","srid":null}}`}, [2]string{"", `{"place":"(5,6)"}`})
	g.want("SELECT string_agg(place::text, ' ') AS places FROM orders", `{"places": "(1.5,-2) (3,40000000000) (5,6)"}`)
	if failed := p.write([2]string{"", `{"place":{"x":1}}`}); len(failed) != 1 || !strings.Contains(failed[0].Err.Error(), "is not a point") {
		t.Errorf("got %v, want a refusal", failed)
	}
}

// TestPostGIS needs the extension, which scripts/install-servers.sh installs where PostgreSQL comes
// from Debian.
func TestPostGIS(t *testing.T) {
	g := newTarget(t)
	if g.rows("SELECT FROM pg_available_extensions WHERE name = 'postgis'") == "" {
		t.Skip("this PostgreSQL has no PostGIS; TestGeometryText compares what it would be given")
	}
	g.exec("CREATE EXTENSION postgis")
	p := g.open(g.sink("table.name.format: ${table}\nauto.create: true"))
	srid := record.OfInt(4326)
	names := []string{"a", "b", "c", "d"}
	p.putFields(names, geometryOf(t, "Geometry", littlePoint, srid), geometryOf(t, "Geometry", bigPoint, record.OfInt(3857)),
		geometryOf(t, "Geography", littlePoint4326, srid), geometryOf(t, "Geometry", littlePoint, record.Value{}))
	g.want("SELECT ST_AsEWKT(a) AS a, ST_AsEWKT(b) AS b, ST_AsEWKT(c) AS c, ST_AsEWKT(d) AS d, pg_typeof(c)::text AS type FROM orders",
		`{"a": "SRID=4326;POINT(1 2)", "b": "SRID=3857;POINT(1 2)", "c": "SRID=4326;POINT(1 2)", "d": "POINT(1 2)", "type": "geography"}`)
	g.exec("TRUNCATE orders")
	p.put([2]string{"", `{"a":{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":4326},"b":"SRID=4326;LINESTRING(0 0,1 1)","c":"POINT(1 2)","d":{"type":"Point","coordinates":[1,2]}}`})
	g.want("SELECT ST_AsEWKT(a) AS a, ST_AsEWKT(b) AS b, ST_AsEWKT(c) AS c, ST_X(d) AS d FROM orders",
		`{"a": "SRID=4326;POINT(1 2)", "b": "SRID=4326;LINESTRING(0 0,1 1)", "c": "SRID=4326;POINT(1 2)", "d": 1}`)
}
