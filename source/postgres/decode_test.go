package postgres

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

// shown is a value in a form that a table of cases can hold.
func shown(v record.Value) string {
	switch v.Kind {
	case record.Null:
		return "null"
	case record.Bool:
		return fmt.Sprint(v.Bool())
	case record.Int:
		return fmt.Sprint(v.N)
	case record.Float:
		return fmt.Sprint(v.Float())
	case record.Bytes:
		return base64.StdEncoding.EncodeToString(v.B)
	case record.Struct, record.Array, record.Map:
		var items []string
		for _, it := range v.Items {
			items = append(items, shown(it))
		}
		return fmt.Sprint(items)
	}
	return string(v.B)
}

// TestDecode has the cases that no golden record has.
func TestDecode(t *testing.T) {
	precise := &forms{values: &decode(t, seed).Values, placeholder: []byte("ph")}
	hexed := &forms{values: &decode(t, with(seed, "binary.handling.mode", "base64-url-safe", "time.precision.mode", "nanoseconds", "interval.handling.mode", "string")).Values}
	wholeMoney := &forms{values: &decode(t, with(seed, "money.fraction.digits", "0")).Values}
	array := precise.array(precise.text(""), &pgType{delim: ','}, 1)
	for _, c := range []struct {
		form form
		text string
		want string
	}{
		{precise.variableScale(), "0", "[0 AA==]"},
		{precise.variableScale(), "-0.10", "[1 /w==]"},
		{precise.variableScale(), "128", "[0 AIA=]"},
		{precise.variableScale(), "-128", "[0 gA==]"},
		{precise.variableScale(), "-129", "[0 /38=]"},
		{precise.variableScale(), "1000.000", "[0 A+g=]"},
		{precise.variableScale(), "-123456789012345678901234567890.5", "[1 8GrlYFxdeTaw8YmTxw==]"},
		{precise.money(), "$12,345.60", "12345.60"},
		{wholeMoney.money(), "-$9,999.50", "-10000"},
		{wholeMoney.money(), "$0.49", "0"},
		{precise.date(), "20000-02-29", "6585381"},
		{precise.date(), "0001-12-31 BC", "-719163"},
		{precise.date(), "1969-12-31", "-1"},
		{precise.timestamp(-1), "1969-12-31 23:59:59.999999", "-1"},
		{precise.timestamp(3), "1969-12-31 23:59:59.999", "-1"},
		{precise.zonedTimestamp(-1), "21016-11-04 06:51:30.123456+00", "+21016-11-04T06:51:30.123456Z"},
		{precise.zonedTimestamp(-1), "4714-12-31 23:59:59.999999+00 BC", "-4713-12-31T23:59:59.999999Z"},
		{precise.zonedTimestamp(-1), "2016-11-04 11:51:30.1+00", "2016-11-04T11:51:30.100000Z"},
		{precise.zonedTimestamp(0), "2016-11-04 11:51:30+00", "2016-11-04T11:51:30Z"},
		{precise.zonedTimestamp(-1), "2016-11-04 13:51:30.1+05:30", "2016-11-04T08:21:30.100000Z"},
		{precise.zonedTimestamp(-1), "infinity", "infinity"},
		{precise.interval(), "P-1DT-1S", "-86401000000"},
		{precise.interval(), "PT0S", "0"},
		{precise.interval(), "P1M", "2629800000000"},
		{hexed.interval(), "P-1Y3DT-0.5S", "P-1Y0M3DT0H0M-0.5S"},
		{hexed.timestamp(-1), "infinity", fmt.Sprint(math.MaxInt64)},
		{hexed.timestamp(-1), "1970-01-01 00:00:01", "1000000000"},
		{hexed.bytea(), `\xfbff`, "-_8="},
		{precise.bits("bit", 24), "000000110000001000000001", "AQID"},
		{precise.bits("bit", 9), "100000000", "AAE="},
		{precise.bits("bit", 3), "000", ""},
		{array, `{}`, "[]"},
		{array, `{"",a,NULL,"NULL"}`, "[ a null NULL]"},
		{array, `{"a\"b\\c",d}`, `[a"b\c d]`},
		{array, `[0:1]={a,b}`, "[a b]"},
		{array, `{{a,"}"},{b,c}}`, "[[a }] [b c]]"},
		{precise.hstore(), `"a\"b"=>"c", "n"=>NULL`, `{"a\"b":"c","n":null}`},
		{precise.hstore(), ``, `{}`},
		{precise.vector("", record.Float64Type, decodeFloat64), "[1,2.5]", "[1 2.5]"},
		{precise.geometry("", ""), "0101000020730C00001C7C613255DE6540787AA52C435C42C0", "[AQEAACBzDAAAHHxhMlXeZUB4eqUsQ1xCwA== 3187]"},
	} {
		var v record.Value
		if err := c.form.decode(&v, new(record.Batch), []byte(c.text)); err != nil {
			t.Errorf("%s: %v", c.text, err)
		} else if got := shown(v); got != c.want {
			t.Errorf("%s: got %s, want %s", c.text, got, c.want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	f := &forms{values: &decode(t, seed).Values}
	for _, c := range []struct {
		form form
		bad  []string
	}{
		{f.plain(record.Int64Type, "", decodeInt, record.OfInt(0)), []string{"", "-", "1x", "9223372036854775808", "99999999999999999999"}},
		{f.plain(record.BoolType, "", decodeBool, record.OfBool(false)), []string{"", "true"}},
		{f.numeric(-1), []string{"", "NaN", "-Infinity", "1.2.3", "x1"}},
		{f.date(), []string{"", "2016", "2016-1-1", "2016-11-04x"}},
		{f.time(-1), []string{"", "13:51", "13:51:3x", "13:51:30x"}},
		{f.timestamp(-1), []string{"", "2016-11-04", "2016-11-04 1", "2016-11-04 13:51:30z"}},
		{f.interval(), []string{"", "P", "1D", "P1", "P1X", "P1DT1D"}},
		{f.array(f.text(""), &pgType{delim: ','}, 1), []string{"", "{", "a", "{a", `{"a`, `{"a\`, "{a}b", "{{a}", "{,}", "{{{{{{{1}}}}}}}"}},
		{f.hstore(), []string{"x", `"a"`, `"a"=>`, `"a"=>"b`, `"a"=>"b","c"=>"d"`}},
		{f.point(), []string{"", "(1)", "(a,b)"}},
		{f.bytea(), []string{"", "ab", `\xzz`, `\x1`}},
		{f.bits("bit", 3), []string{"12"}},
	} {
		for _, text := range c.bad {
			var v record.Value
			if err := c.form.decode(&v, new(record.Batch), []byte(text)); err == nil {
				t.Errorf("%q: got %s, want an error", text, shown(v))
			}
		}
	}
}

func TestCalendar(t *testing.T) {
	for day := int64(-1_000_000); day < 1_000_000; day += 13 {
		y, m, d := civil(day)
		if got := civilDays(y, m, d); got != day || m < 1 || m > 12 || d < 1 || d > 31 {
			t.Fatalf("day %d is %d-%d-%d, which is day %d", day, y, m, d, got)
		}
	}
}

func TestUnescape(t *testing.T) {
	if got := string(unescape([]byte(`a\tb\\c\n\r\b\f\v\x`), 1)); got != "a\tb\\c\n\r\b\f\vx" {
		t.Errorf("got %q", got)
	}
}

// everyForm is a table with a column of each kind of decoder.
func everyForm(t testing.TB) *table {
	c := decode(t, seed)
	s := newSource(t, c)
	f := s.forms
	out := &table{id: 1, schema: "public", name: "t", topic: "t", origin: newOrigin(c, "public", "t")}
	row := &record.Schema{Type: record.StructType, Optional: true}
	for i, made := range []form{
		f.plain(record.Int64Type, "", decodeInt, record.OfInt(0)), f.text(""), f.numeric(-1), f.numeric(12<<16 + 2 + 4),
		f.zonedTimestamp(-1), f.timestamp(-1), f.date(), f.time(-1), f.interval(), f.bytea(), f.hstore(), f.point(), f.money(),
		f.bits("bit", 9), f.array(f.numeric(-1), &pgType{delim: ','}, 1), f.enum(&pgType{labels: []string{"a"}}),
		f.vector("", record.Float32Type, decodeFloat32), f.sparse(), f.geometry("", ""), masked(f.text(""), maskRule{digest: sha256.New, java: true}),
		{schema: f.date().schema, decode: debeziumDate(true)}, {schema: f.bytea().schema, decode: debeziumGeometric},
	} {
		schema := made.schema
		out.columns = append(out.columns, column{name: fmt.Sprint("c", i), cell: i, decode: made.decode, unchanged: made.unchanged, absent: made.zero})
		row.Fields = append(row.Fields, record.Field{Name: fmt.Sprint("c", i), Schema: &schema})
	}
	out.fields, out.cells = len(out.columns), len(out.columns)
	out.key = []int{0}
	out.record = &record.Table{Row: row, Envelope: envelopeSchema("t", row),
		Key: &record.Schema{Type: record.StructType, Fields: row.Fields[:1]}}
	return out
}

// masked is f with its values masked.
func masked(f form, k maskRule) form {
	s := &Source{forms: &forms{}, masks: []maskRule{k}}
	s.masks[0].columns = patterns{regexp.MustCompile("")}
	f.decode = s.mask("", f, 20, true).decoder(f.decode)
	return f
}

// tupleOf is a tuple of texts.
func tupleOf(texts ...string) []byte {
	p := []byte{byte(len(texts) >> 8), byte(len(texts))}
	for _, text := range texts {
		p = append(p, 't', 0, 0, byte(len(text)>>8), byte(len(text)))
		p = append(p, text...)
	}
	return p
}

// fullTuple has a value for every column of everyForm.
var fullTuple = tupleOf("1", "text", "1.50", "2.50", "2016-11-04 11:51:30.123456+00", "2016-11-04 11:51:30", "2016-11-04", "11:51:30",
	"P1DT1S", `\x01`, `"a"=>"b", "n"=>NULL`, "(1,2)", "$1.00", "100000001", `{1.5,NULL,{2}}`, "a",
	"[1,2]", "{1:2,3:4.5}/7", "0101000020730C00001C7C613255DE6540787AA52C435C42C0", "secret", "0044-03-15 BC", "<(1,2),3e5>")

// seedMessages are whole messages of each kind.
func seedMessages() [][]byte {
	id := []byte{0, 0, 0, 1}
	return [][]byte{
		slices.Concat([]byte{'I'}, id, []byte{'N'}, fullTuple),
		slices.Concat([]byte{'U'}, id, []byte{'O'}, fullTuple, []byte{'N'}, fullTuple),
		slices.Concat([]byte{'U'}, id, []byte{'N'}, fullTuple),
		slices.Concat([]byte{'D'}, id, []byte{'K'}, fullTuple),
		slices.Concat([]byte{'T', 0, 0, 0, 1, 0}, id),
		slices.Concat([]byte{'B'}, make([]byte, 20)),
		slices.Concat([]byte{'C'}, make([]byte, 25)),
		slices.Concat([]byte{'M', 1}, make([]byte, 8), []byte("prefix\x00\x00\x00\x00\x03abc")),
		slices.Concat([]byte{'M', 0}, make([]byte, 8), []byte("\x00\x00\x00\x00\x00")),
		slices.Concat([]byte{'O'}, make([]byte, 8), []byte("origin\x00")),
	}
}

// tryMessage handles data, which may be anything: a wrong row or a panic is a failure.
func tryMessage(t *testing.T, st *stream, table *table, data []byte) {
	t.Helper()
	if len(data) > 0 && data[0] == 'R' {
		m := message{rest: data[1:]}
		_, _ = m.relation() // what it announces is then read from a catalog
		return
	}
	st.out.batch.Reset()
	st.out.take(st.out.batch)
	st.out.transactions = &transactions{}
	st.tx, st.pos = transaction{}, position{}
	st.spools.reset()
	before := string(data)
	err := st.handle(t.Context(), 7, data)
	if string(data) != before {
		t.Error("the message was changed: it may be needed again")
	}
	if err != nil {
		return
	}
	for _, r := range st.out.batch.Records {
		if r.Change == nil {
			continue
		}
		for _, v := range []record.Value{r.Change.Before, r.Change.After} {
			if !v.IsNull() && len(v.Items) != len(table.columns) {
				t.Errorf("a row of %d cells, want %d", len(v.Items), len(table.columns))
			}
		}
	}
}

// TestBrokenMessages cuts messages off at each byte, and puts bytes with a meaning at each place.
func TestBrokenMessages(t *testing.T) {
	table := everyForm(t)
	again := offline(table)
	for _, whole := range seedMessages() {
		for end := range whole {
			st := offline(table)
			if err := st.handle(t.Context(), 7, whole[:end]); err == nil {
				t.Errorf("message %q of %d bytes cut off at %d: no error", whole[0], len(whole), end)
			}
			for _, c := range []byte("\x00\x01\xff\x7f{}\"\\nu,()=-:. T") {
				broken := slices.Clone(whole)
				broken[end] = c
				tryMessage(t, again, table, broken)
			}
		}
	}
}

// FuzzMessage gives messages to the decoder as a server that is broken or hostile might.
func FuzzMessage(f *testing.F) {
	table := everyForm(f)
	for _, m := range seedMessages() {
		f.Add(m)
	}
	f.Add([]byte("R\x00\x00\x00\x01public\x00t\x00d\x00\x01\x00id\x00\x00\x00\x00\x17\xff\xff\xff\xff"))
	st := offline(table)
	f.Fuzz(func(t *testing.T, data []byte) { tryMessage(t, st, table, data) })
}

// FuzzMessages gives the decoder a run of messages, each behind its length: transactions that do not
// begin or end, blocks within blocks, changes of nothing.
func FuzzMessages(f *testing.F) {
	table := everyForm(f)
	st := offline(table)
	st.task = connect.NewIntake("test", 1, nil, slog.New(slog.DiscardHandler)).Task()
	st.status = time.Now().Add(24 * time.Hour) // nothing is due
	st.spools.limit = 1 << 20
	st.source.config.CatchUp = "off" // there is no server to ask
	run := func(messages ...[]byte) (p []byte) {
		for _, m := range messages {
			p = append(append(p, byte(len(m)>>8), byte(len(m))), m...)
		}
		return p
	}
	id, place := []byte{0, 0, 0, 1}, make([]byte, 8)
	insert := slices.Concat([]byte{'I'}, id, []byte{'N'}, fullTuple)
	inBlock := slices.Concat([]byte{'I'}, id, id, []byte{'N'}, fullTuple)
	begin, commit := slices.Concat([]byte{'B'}, place, place, id), slices.Concat([]byte{'C', 0}, place, place, place)
	f.Add(run(begin, insert, commit))
	f.Add(run(slices.Concat([]byte{'S'}, id, []byte{1}), inBlock, []byte{'E'}, begin, insert, commit,
		slices.Concat([]byte{'S'}, id, []byte{0}), inBlock, []byte{'E'}, slices.Concat([]byte{'A'}, id, id), slices.Concat([]byte{'c'}, id, []byte{0}, place, place, place)))
	f.Fuzz(func(t *testing.T, data []byte) {
		st.out.batch.Reset()
		st.out.take(st.out.batch)
		st.out.transactions = &transactions{}
		st.tx, st.pos = transaction{}, position{}
		st.spools.reset()
		for lsn := LSN(1); len(data) >= 2; lsn++ {
			n := min(int(data[0])<<8|int(data[1]), len(data)-2)
			m := data[2 : 2+n]
			data = data[2+n:]
			if len(m) > 0 && m[0] == 'R' {
				continue // it would ask a catalog
			}
			if st.handle(t.Context(), lsn, m) != nil {
				return
			}
		}
		for _, r := range st.out.batch.Records {
			if r.Change != nil && !r.Change.After.IsNull() && len(r.Change.After.Items) != len(table.columns) {
				t.Errorf("a row of %d cells, want %d", len(r.Change.After.Items), len(table.columns))
			}
		}
	})
}

// FuzzCopy does the same with rows of COPY.
func FuzzCopy(f *testing.F) {
	table := everyForm(f)
	var columns []*column
	for i := range table.columns {
		columns = append(columns, &table.columns[i])
	}
	f.Add([]byte("1\tx\\ty\t1.5\t2.50\t2016-11-04 11:51:30+00\t\\N\t\\N\t\\N\t\\N\t\\\\x01\t\\N\t(1,2)\t$1.00\t1\t{1}\ta\n"))
	f.Fuzz(func(t *testing.T, row []byte) {
		cells, err := table.copied(new(record.Batch), columns, row)
		if err == nil && len(cells) != table.cells {
			t.Errorf("%d cells, want %d", len(cells), table.cells)
		}
	})
}
