package deadletter

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"connectd/kafka"
	"connectd/record"
)

func header(name, value string) kafka.Header { return kafka.Header{Name: name, Value: []byte(value)} }

// TestParse reads a letter of Kafka Connect 4.3 whose record was a letter before.
func TestParse(t *testing.T) {
	m := kafka.Message{Topic: "dead", Partition: 2, Offset: 17, Timestamp: 1700000000000, Key: []byte("k"), Headers: []kafka.Header{
		header("trace", "abc"), header("__connect.errors.offset", "1"),
		header("__connect.errors.topic", "orders"), header("__connect.errors.partition", "3"), header("__connect.errors.offset", "42"),
		header("__connect.errors.connector.name", "to-pg"), header("__connect.errors.task.id", "0"), header("__connect.errors.stage", "VALUE_CONVERTER"),
		header("__connect.errors.class.name", "org.apache.kafka.connect.json.JsonConverter"),
		header("__connect.errors.exception.class.name", "org.apache.kafka.connect.errors.DataException"),
		header("__connect.errors.exception.message", "no good"), header("__connect.errors.exception.stacktrace", "no good\n\tat x"),
	}}
	l := Parse(&m)
	if got := l.Place.String() + " " + l.Origin.String(); got != "dead-2@17 orders-3@42" || !l.Known() {
		t.Errorf("places %s, known %v", got, l.Known())
	}
	if l.Connector != "to-pg" || l.Stage != "VALUE_CONVERTER" || l.Cause != "no good" || l.Trace != "no good\n\tat x" {
		t.Errorf("got %+v", l)
	}
	r := l.Record()
	if r.Topic != "orders" || r.Partition != 3 || string(r.Key) != "k" || r.Value != nil || len(r.Headers) != 1 || r.Headers[0].Name != "trace" {
		t.Errorf("record %+v, want that of orders-3 with its own header and no value", r)
	}
	bare := Parse(&kafka.Message{Topic: "dead", Headers: []kafka.Header{header("__connect.errors.topic", "orders")}})
	if bare.Known() {
		t.Error("a letter without partition and offset has a place of origin")
	}
}

// TestMessage writes letters and reads them back.
func TestMessage(t *testing.T) {
	of := func(offset int64) Letter {
		return Letter{
			Connector: "to-pg", Task: "1", Stage: "TASK_PUT", Class: "postgres-sink", Exception: "*pgconn.PgError", Cause: "no good", Trace: "no good\ncaused by: this",
			Origin: Place{record.Partition{Topic: "orders", ID: 3}, offset}, Key: []byte("k"), Value: []byte("v"), Headers: []kafka.Header{header("trace", "abc")},
		}
	}
	for _, want := range []Letter{of(42), of(-1)} {
		m := want.Message("dead", true)
		if m.Topic != "dead" || m.Partition != kafka.ByKey || m.Offset != want.Origin.Offset {
			t.Errorf("got %+v", m)
		}
		got := Parse(&m)
		if !want.Known() {
			want.Origin.ID = 0 // a source's record has no partition
		}
		want.Place, want.Written = got.Place, got.Written
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if bare := want.Message("dead", false); len(bare.Headers) != 1 || bare.Headers[0].Name != "trace" {
			t.Errorf("without context the headers are %v, want the record's own", bare.Headers)
		}
	}
}

func TestParsePlace(t *testing.T) {
	if p, err := ParsePlace("dead-letters-3@17"); err != nil || p != (Place{record.Partition{Topic: "dead-letters", ID: 3}, 17}) {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, text := range []string{"", "dead", "dead@3", "dead-x@3", "dead-1@", "-1@2", "dead-1@-2", "dead-99999999999@1"} {
		if p, err := ParsePlace(text); err == nil || !strings.Contains(err.Error(), "TOPIC-PARTITION@OFFSET") {
			t.Errorf("%q: got %+v, %v", text, p, err)
		}
	}
}

func TestParseOffsets(t *testing.T) {
	for text, want := range map[string]Offsets{"7": {7, 7}, "7-9": {7, 9}} {
		if o, err := ParseOffsets(text); err != nil || *o != want {
			t.Errorf("%q: got %v, %v", text, o, err)
		}
	}
	for _, text := range []string{"", "9-7", "a-b", "1-", "-1"} {
		if o, err := ParseOffsets(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, o)
		}
	}
}

func TestFilter(t *testing.T) {
	l := Letter{Connector: "a", Origin: Place{record.Partition{Topic: "orders", ID: 0}, 10}, Cause: "too long"}
	for _, c := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true},
		{Filter{Connector: "b"}, false},
		{Filter{Topic: "orders", OnPartition: true, Offsets: &Offsets{10, 10}}, true},
		{Filter{OnPartition: true, Partition: 1}, false},
		{Filter{Offsets: &Offsets{11, 20}}, false},
	} {
		if got := c.f.Takes(&l); got != c.want {
			t.Errorf("%+v: got %v", c.f, got)
		}
	}
}

func TestGroups(t *testing.T) {
	var g Groups
	for _, cause := range []string{`column "a" of table "t": 70000 is out of range`, `column "a" of table "t": 80000.5 is out of range`, `column "b" of table "t": 1 is out of range`, `invalid input "x"`, `invalid input "y \" z"`} {
		g.Add(&Letter{Cause: cause}, false)
	}
	var got []string
	for _, of := range g.List {
		got = append(got, of.Cause)
	}
	want := []string{`column "a" of table "t": … is out of range`, `column "b" of table "t": … is out of range`, "invalid input …"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDone compares Done with a set of offsets, over its form in a commit.
func TestDone(t *testing.T) {
	p := record.Partition{Topic: "dead"}
	for range 200 {
		var d Done
		set := map[int64]bool{}
		for range 1 + rand.IntN(12) {
			from := int64(rand.IntN(40))
			end := from + int64(rand.IntN(8))
			d.Add(from, end)
			for o := from; o < end; o++ {
				set[o] = true
			}
			c, err := d.Commit(p)
			if err != nil {
				t.Fatal(err)
			}
			if d, err = ParseDone(c); err != nil {
				t.Fatal(err)
			}
		}
		for o := range int64(50) {
			if d.Has(o) != set[o] {
				t.Fatalf("%+v has %d: %v, want %v", d, o, d.Has(o), set[o])
			}
		}
	}
}

func TestDoneTooManyRanges(t *testing.T) {
	var d Done
	for o := range int64(1000) {
		d.Add(10*o+5, 10*o+6)
	}
	if _, err := d.Commit(record.Partition{Topic: "dead"}); err == nil || !strings.Contains(err.Error(), "wider filter") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

func TestDoneWithin(t *testing.T) {
	d := Done{Next: 5, Ranges: [][2]int64{{8, 9}}}
	if got := d.within(kafka.Offsets{Start: 8, End: 20}); got.Next != 9 || len(got.Ranges) != 0 {
		t.Errorf("after deletion below 8: %+v, want all below 9", got)
	}
	if got := d.within(kafka.Offsets{End: 3}); got.Has(0) || got.Has(8) {
		t.Errorf("of a topic that begins anew: %+v, want nothing", got)
	}
	if _, err := ParseDone(kafka.Commit{Metadata: "something else"}); err == nil {
		t.Error("foreign metadata is taken")
	}
}
