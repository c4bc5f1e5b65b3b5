package clickhouse

import (
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

func flattening(c *Config) { c.Create, c.Evolve, c.Nested = true, true, nestedFlatten }

func TestFlatten(t *testing.T) {
	x := newTarget(t, flattening)
	place := optional(*structOf("lat", int64s, "lon", int64s))
	address := structOf("city", strings_, "place", place)
	s := structOf("id", int64s, "address", address, "name", strings_)
	row := func(id int64, place record.Value) record.Record {
		return keyed(s, record.OfInt(id), record.OfStruct([]record.Value{text("Amsterdam"), place}), text("n"))
	}
	x.write(batchOf(0, row(1, record.OfStruct([]record.Value{record.OfInt(52), record.OfInt(4)})), row(2, record.Value{})), id(1))
	x.want("SELECT id, address_city, address_place_lat, address_place_lon, name FROM $db.orders FINAL ORDER BY id", "1\tAmsterdam\t52\t4\tn\n2\tAmsterdam\t\\N\t\\N\tn")
	// A field inside of a struct that is new becomes a column too.
	address = structOf("city", strings_, "zip", optional(*strings_))
	s = structOf("id", int64s, "address", address)
	x.write(batchOf(2, keyed(s, record.OfInt(3), record.OfStruct([]record.Value{text("Utrecht"), text("3511")}))), id(2))
	x.want("SELECT id, address_city, address_zip FROM $db.orders FINAL ORDER BY id", "1\tAmsterdam\t\\N\n2\tAmsterdam\t\\N\n3\tUtrecht\t3511")
}

func TestFlattenKnowsNoTwo(t *testing.T) {
	x := newTarget(t, flattening)
	s := structOf("id", int64s, "a_b", int64s, "a", structOf("b", int64s))
	err := x.tryWrite(batchOf(0, keyed(s, record.OfInt(1), record.OfInt(2), record.OfStruct([]record.Value{record.OfInt(3)}))), id(1))
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), `two fields are called "a_b"`) {
		t.Errorf("got %v, want a permanent error that names the field", err)
	}
}
