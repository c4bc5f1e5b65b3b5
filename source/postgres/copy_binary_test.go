package postgres

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"connectd/record"
)

// TestBinaryAsText reads the same rows in COPY's binary form and, by a SELECT of their own, as
// text.
func TestBinaryAsText(t *testing.T) {
	d := newDatabase(t, "CREATE TYPE mood AS ENUM ('sad', 'very glad')", "CREATE DOMAIN price AS numeric(9,3)",
		`CREATE TABLE a (id int PRIMARY KEY, b bool, i2 int2, i4 int4, i8 int8, o oid, f4 float4, f8 float8, n numeric, n2 numeric(12,2), p price,
			t text, v varchar(40), c char(5), na name, j json, jb jsonb, u uuid, by bytea, d date, ti time, ts timestamp, ts3 timestamp(3), tz timestamptz, tz0 timestamptz(0), m mood)`,
		`INSERT INTO a SELECT g, g % 3 = 0, (random() * 65535 - 32768)::int2, (random() * 4294967295 - 2147483648)::int4, (random() * 1.8e19 - 9e18)::int8,
			(random() * 4294967295)::int8::oid, exp(random() * 160 - 80) * (random() - 0.5), exp(random() * 1300 - 650) * (random() - 0.5),
			round((random() * 10 ^ (g % 40 - 20))::numeric, g % 37) * CASE g % 4 WHEN 0 THEN -1 ELSE 1 END, (random() * 1e10 - 5e9)::numeric(12,2), (g % 1000) * 0.001,
			repeat(chr(8364) || '\\' || E'\t\n"', g % 7), md5(g::text), 'x', 'n' || g, '{"a" : [1, "\u00e9"]}', jsonb_build_object('k', g, 't', E'tab\there'),
			md5(g::text)::uuid, decode(repeat(md5(g::text), g % 3), 'hex'), date '2000-01-01' + (random() * 2e6 - 7e5)::int, (random() * 86399.999999) * interval '1 s',
			timestamp '2000-01-01' + (random() * 1e10 - 4e9) * interval '17.123457 s', timestamp '2000-01-01' + (random() * 1e9) * interval '1.001 s',
			timestamptz '2000-01-01' + (random() * 1e10 - 4e9) * interval '17.123457 s', now(), 'very glad' FROM generate_series(1, 400) g`,
		`INSERT INTO a (id, f4, f8, n, d, ts, tz, ti) VALUES (1001, 'NaN', '-Infinity', 'NaN', 'infinity', 'infinity', '-infinity', '24:00'),
			(1002, 'Infinity', 'NaN', 'Infinity', '-infinity', '-infinity', 'infinity', '00:00'), (1003, '-0', '-0', '-Infinity', '0044-03-15 BC', '0001-12-31 23:59:59.999999 BC', '4713-01-01 00:00:00+00 BC', '12:00:00.5')`,
		`INSERT INTO a (id, n, d, ts, tz, f4, f8) VALUES (1004, 0, '0001-01-01', '294276-12-31 23:59:59.999999', '12345-06-07 08:09:10.11+00', 1e15, 1e22), (1005, 10000, '5874897-12-31', '1999-12-31 23:59:59.1', '1970-01-01', 1.17549435e-38, 5e-324),
			(1006, 0.00001, NULL, NULL, NULL, 3.4028235e38, 1.7976931348623157e308), (1007, 1e30, NULL, NULL, NULL, 16777216, 9007199254740993), (1008, 123456789.000000001, NULL, NULL, NULL, NULL, NULL), (1009, 10000000000000000, NULL, NULL, NULL, NULL, NULL), (1010, 0.000, NULL, NULL, NULL, NULL, NULL), (1011, -0.0001, NULL, NULL, NULL, NULL, NULL)`,
		"INSERT INTO a (id) VALUES (1012)").publish(t, "a")
	if _, table := measured(t, d); table.wires == nil {
		t.Fatal("the table is read as text")
	}
	for _, mode := range [][]string{
		{"event.converting.failure.handling.mode", "skip"},
		{"decimal.handling.mode", "string", "time.precision.mode", "isostring", "binary.handling.mode", "base64"},
		{"decimal.handling.mode", "double", "time.precision.mode", "microseconds", "binary.handling.mode", "hex"},
	} {
		c := append(mode, "table.include.list", "public.a", "snapshot.mode", "initial_only", "snapshot.max.threads", "1")
		got := rowsOf(t, d, c...)
		want := rowsOf(t, d, append(c, "snapshot.select.statement.overrides", "public.a", "snapshot.select.statement.overrides.public.a", "SELECT * FROM a;")...)
		if len(want) != 412 || len(got) != len(want) {
			t.Fatalf("%d rows in binary, %d as text", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%v:\n got %s\nwant %s", mode, got[i], want[i])
			}
		}
	}
}

// rowsOf are the values of a snapshot, in order, as the source writes them.
func rowsOf(t *testing.T, d *database, changes ...string) (rows []string) {
	t.Helper()
	r := start(t, d.config(t, changes...), nil)
	r.complete()
	for _, rec := range r.records {
		rows = append(rows, string(member(fieldsOf(t, []byte(rec.value)), "after")))
	}
	slices.Sort(rows)
	return rows
}

// TestTextForOtherTypes has one column without a binary form.
func TestTextForOtherTypes(t *testing.T) {
	d := newDatabase(t, "CREATE TABLE a (id int PRIMARY KEY, at inet)", "INSERT INTO a VALUES (1, '10.0.0.1/8')").publish(t, "a")
	if _, table := measured(t, d); table.wires != nil {
		t.Error("the table is read in binary")
	}
	if got := rowsOf(t, d, "table.include.list", "public.a", "snapshot.mode", "initial_only"); got[0] != `{"id":1,"at":"10.0.0.1/8"}` {
		t.Errorf("got %s", got)
	}
}

func TestBinaryRow(t *testing.T) {
	head := append(slices.Clone(copySignature), 0, 0, 0, 0, 0, 0, 0, 3, 'e', 'x', 't')
	for _, c := range []struct {
		name          string
		message, want string
		err           error
	}{
		{"header and row", string(head) + "\x00\x01", "\x00\x01", nil},
		{"row", "\x00\x02\x00", "\x00\x02\x00", nil},
		{"end", "\xff\xff", "", errNoRow},
		{"header and end", string(head) + "\xff\xff", "", errNoRow},
		{"header alone", string(head), "", errNoRow},
		{"cut off", string(head[:15]), "", errTruncated},
		{"extension cut off", string(head[:21]), "", errTruncated},
	} {
		got, err := binaryRow([]byte(c.message))
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
}

// FuzzCopiedBinary has rows of every type that no server sends.
func FuzzCopiedBinary(f *testing.F) {
	names := []string{"text", "jsonb", "bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "uuid", "bytea", "date", "time", "timestamp", "timestamptz"}
	types := typeTable{}
	fs, err := newForms(&Config{Values: Values{Decimal: "string", Time: "adaptive", Binary: "bytes"}})
	if err != nil {
		f.Fatal(err)
	}
	t := &table{cells: len(names)}
	var columns []*column
	var wires []wire
	row := binary.BigEndian.AppendUint16(nil, uint16(len(names)))
	for i, name := range names {
		id := uint32(i + 1)
		types[id] = &pgType{id: id, schema: "pg_catalog", name: name, kind: 'b'}
		columns = append(columns, &column{name: name, cell: i, decode: fs.of(types, types[id], -1, 0).decode})
		wires = append(wires, wireOf(types, id, columns[i]))
		row = append(row, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 2)
	}
	f.Add(row)
	f.Fuzz(func(_ *testing.T, row []byte) {
		b := new(record.Batch)
		_, _ = t.copiedBinary(b, columns, wires, b.Copy(row)) // must not panic
	})
}
