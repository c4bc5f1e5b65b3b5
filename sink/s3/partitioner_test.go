package s3

import (
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/convert"
	"connectd/internal/s3client"
	"connectd/record"
	"connectd/sink/s3/format"
)

// decoded is a record whose value is JSON without a schema, as the converter makes it.
func decoded(t testing.TB, offset int64, value string) *record.Batch {
	t.Helper()
	c := &convert.JSONConfig{}
	c.Defaults()
	c.Schemas = false
	j, err := convert.NewJSON(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &record.Batch{}
	r := b.Add()
	r.Topic, r.Partition, r.Offset, r.Timestamp = orders.Topic, orders.ID, offset, at("2026-03-29T00:30:00.999Z")
	if r.Value, err = j.Decode(b, orders.Topic, []byte(value), nil); err != nil {
		t.Fatal(err)
	}
	r.RawValue = []byte(value)
	r.Headers = []record.Header{{Name: "h", Value: text("first")}, {Name: "h", Value: text("last")}, {Name: "n", Value: record.Datum{Value: record.OfInt(7)}}}
	return b
}

func text(s string) record.Datum { return record.Datum{Value: record.OfText(s)} }

func at(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

// keyOf writes one record and returns its object's key, or why the record failed.
func keyOf(t *testing.T, w *writer, b *record.Batch, flushed int64) (key string, failed error) {
	t.Helper()
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.Failed()) > 0 {
		return "", b.Failed()[0].Err
	}
	objects, err := w.finish(record.Range{Partition: orders, Start: 42, End: 43, Time: flushed})
	if err != nil || len(objects) != 1 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	return objects[0].key, nil
}

func TestPartitioners(t *testing.T) {
	const confluent = "io.confluent.connect.storage.partitioner."
	timed := func(extractor, field string) func(*Config) {
		return func(c *Config) {
			c.Partitioner, c.PathFormat, c.Duration = "time", "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH/'ms'=SSS/", time.Millisecond
			c.Extractor, c.TimestampField = extractor, field
		}
	}
	const start, end = "topics/orders/", "/orders+2+0000000042.json.gz"
	for _, c := range []struct {
		name, value string
		set         func(*Config)
		folder      string // between start and end
		err         string
	}{
		{"default", `{"a":1}`, func(c *Config) { c.Partitioner = confluent + "DefaultPartitioner" }, "partition=2", ""},
		{"fields", `{"a":1,"b":"x y","c":true,"d":null}`, func(c *Config) {
			c.Partitioner, c.PartitionFields = confluent+"FieldPartitioner", []string{"a", "b", "c", "d"}
		}, "a=1/b=x y/c=true/d=null", ""},
		{"nested field", `{"a":{"b":{"c":"deep \u00e9"}}}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"a.b.c"} }, "a.b.c=deep é", ""},
		{"field with dots in its name", `{"a.b":1,"a":{"b":2}}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"a.b"} }, "a.b=1", ""},
		{"nested null", `{"a":null}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"a.b"} }, "a.b=null", ""},
		{"missing field", `{"a":1}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"b"} }, "", `the value has no field "b"`},
		{"missing nested field", `{"a":{"c":1}}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"a.b"} }, "", `"a" has no "b"`},
		{"field that is no name", `{"a":1.5}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"a"} }, "", "neither a text, nor an integer, nor a boolean"},
		{"field that is too long", `{"a":"` + strings.Repeat("x", 1000) + `"}`, func(c *Config) { c.Partitioner, c.PartitionFields = "field", []string{"a"} }, "", "the folder"},
		{"headers", `{"a":1}`, func(c *Config) { c.Partitioner, c.PartitionFields = "header", []string{"h", "n"} }, "h=last/n=7", ""},
		{"missing header", `{"a":1}`, func(c *Config) { c.Partitioner, c.PartitionFields = "header", []string{"x"} }, "", `no header "x"`},
		{"daily by the record's timestamp", `{"a":1}`, func(c *Config) { c.Partitioner, c.Extractor = confluent+"DailyPartitioner", "Record" }, "year=2026/month=03/day=29", ""},
		{"hourly, at the flush", `{"a":1}`, func(c *Config) { c.Partitioner = confluent + "HourlyPartitioner" }, "year=2026/month=11/day=26/hour=23", ""},
		{"hourly in a zone of summer time", `{"a":1}`, func(c *Config) { c.Partitioner, c.Extractor, c.Timezone = "hourly", "Record", "Europe/Berlin" }, "year=2026/month=03/day=29/hour=01", ""},
		{"hourly at an offset", `{"a":1}`, func(c *Config) { c.Partitioner, c.Extractor, c.Timezone = "hourly", "Record", "-05:30" }, "year=2026/month=03/day=28/hour=19", ""},
		{"fields and time", `{"a":1}`, func(c *Config) {
			timed("Record", "")(c)
			c.Partitioner, c.PartitionFields, c.PathFormat, c.Duration = confluent+"FieldAndTimeBasedPartitioner", []string{"a"}, "YYYYMMdd", time.Hour
		}, "a=1/20260329", ""},
		{"fields and time at the flush", `{"a":1}`, func(c *Config) {
			c.Partitioner, c.PartitionFields, c.PathFormat, c.Duration = "field-and-time", []string{"a"}, "YYYYMMdd", time.Hour
		}, "a=1/20261126", ""},
		{"time of a field in milliseconds", `{"t":1774744200123}`, timed("RecordField", "t"), "year=2026/month=03/day=29/hour=00/ms=123", ""},
		{"time of a field as digits", `{"t":"1774744200123"}`, timed("RecordField", "t"), "year=2026/month=03/day=29/hour=00/ms=123", ""},
		{"time of a nested field with an offset", `{"a":{"t":"2026-03-29T02:30:00.123999+02:00"}}`, timed("RecordField", "a.t"), "year=2026/month=03/day=29/hour=00/ms=123", ""},
		{"the last instant before 1970", `{"t":"1969-12-31T23:59:59.9999999Z"}`, timed("RecordField", "t"), "year=1969/month=12/day=31/hour=23/ms=999", ""},
		{"no time in the field", `{"t":"soon"}`, timed("RecordField", "t"), "", "timestamp.field t"},
		{"time is null", `{"t":null}`, timed("RecordField", "t"), "", "timestamp.field t: is null"},
		{"missing time", `{"a":1}`, timed("RecordField", "t"), "", `the value has no field "t"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := keyOf(t, offline(t, c.set), decoded(t, 42, c.value), at("2026-11-26T23:59:59Z"))
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %q and %v, want an error with %q", key, err, c.err)
				}
			case err != nil || key != start+c.folder+end:
				t.Errorf("got %q and %v, want %q", key, err, start+c.folder+end)
			}
		})
	}
}

// TestTombstoneFolder makes sure that a tombstone has a folder of its own, also beside one that the
// time of the flush names.
func TestTombstoneFolder(t *testing.T) {
	for _, class := range []string{"default", "hourly", "field"} {
		w := offline(t, func(c *Config) {
			c.Partitioner, c.PartitionFields, c.Nulls, c.Tombstone = class, []string{"n"}, "write", "gone"
		})
		if key, err := keyOf(t, w, batch(42, ""), at("2026-11-26T23:59:59Z")); err != nil || key != "topics/orders/gone/orders+2+0000000042.json.gz" {
			t.Errorf("%s: got %q and %v", class, key, err)
		}
	}
}

// TestBuckets compares buckets with their edges: the edge belongs to the later one, also before
// 1970 and where the clock is put forward.
func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		zone     string
		duration time.Duration
		at, want string
	}{
		{"UTC", time.Hour, "2026-11-26T09:59:59.999Z", "2026-11-26 09:00"},
		{"UTC", time.Hour, "2026-11-26T10:00:00.000Z", "2026-11-26 10:00"},
		{"UTC", 15 * time.Minute, "1969-12-31T23:59:59.999Z", "1969-12-31 23:45"},
		{"Asia/Kolkata", 24 * time.Hour, "2026-11-26T18:29:59.999Z", "2026-11-26 00:00"},
		{"Asia/Kolkata", 24 * time.Hour, "2026-11-26T18:30:00Z", "2026-11-27 00:00"},
		{"Europe/Berlin", 2 * time.Hour, "2026-03-29T01:00:00Z", "2026-03-29 03:00"}, // 02:00 there is none
		{"Europe/Berlin", time.Hour, "2026-10-25T00:30:00Z", "2026-10-25 02:00"},
		{"Europe/Berlin", time.Hour, "2026-10-25T01:30:00Z", "2026-10-25 02:00"}, // again
	} {
		w := offline(t, func(cfg *Config) {
			cfg.Partitioner, cfg.Extractor, cfg.PathFormat, cfg.Duration, cfg.Timezone = "time", "Record", "YYYY-MM-dd HH:mm", c.duration, c.zone
		})
		if got := w.part.time.at(at(c.at)); string(got) != c.want {
			t.Errorf("%s in %s: got %q, want %q", c.at, c.zone, got, c.want)
		}
	}
}

func TestPattern(t *testing.T) {
	moment := time.Date(2026, 3, 5, 15, 4, 6, 78_900_000, time.FixedZone("+02:00", 7200))
	for pattern, want := range map[string]string{
		"'year'=YYYY/'month'=MM/'day'=dd": "year=2026/month=03/day=05",
		"yyyy-M-d H:m:s":                  "2026-3-5 15:4:6",
		"yy.DDD.CC":                       "26.064.20",
		"xxxx-'W'ww-e":                    "2026-W10-4",
		"EEE EEEE MMM MMMM":               "Thu Thursday Mar March",
		"hh a K k":                        "03 PM 3 15",
		"SSS S SSSSSSSSSS":                "078 0 0789000000",
		"Z ZZ ZZZ":                        "+0200 +02:00 +02:00",
		"'it''s' ''yyyy''":                "it's '2026'",
	} {
		p, err := parsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		} else if got := string(p.append(nil, moment)); got != want {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
	for _, bad := range []string{"year=YYYY", "'year=YYYY", "yyyy/b"} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestTemplate(t *testing.T) {
	const flushed = "2026-11-26T23:59:59Z"
	for template, want := range map[string]string{
		"{{topic}}-{{partition}}-{{start_offset}}.gz":                                                          "topics/orders-2-42.gz",
		"{{ topic }}/{{timestamp:unit=yyyy}}/{{partition:padding=true}}-{{start_offset:padding=true}}":         "topics/orders/2026/0000000002-00000000000000000042",
		"{{timestamp:unit=MM}}{{timestamp:unit=dd}}{{timestamp:unit=HH}}/{{topic}}{{partition}}{{end_offset}}": "topics/112623/orders242",
		"{{encoded_partition}}/{{topic}}-{{partition}}-{{start_offset}}":                                       "topics/partition=2/orders-2-42",
	} {
		w := offline(t, func(c *Config) { c.Template = template })
		key, err := keyOf(t, w, decoded(t, 42, `{"a":1}`), at(flushed))
		if err != nil || key != want {
			t.Errorf("%s: got %q and %v, want %q", template, key, err, want)
		}
		if !w.keys.own(key) || w.keys.own(strings.Replace(key, "2-", "12-", 1)+"x") {
			t.Errorf("%s: its own keys are not told from others", template)
		}
	}
	aiven, err := New(&Config{Connection: s3client.ConnectionDefaults(), Config: format.Defaults(), Layout: layoutDefaults()}, connect.Env{Class: "io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector"})
	if err != nil {
		t.Fatal(err)
	}
	if key, err := keyOf(t, newWriter(aiven.(*Sink), orders), decoded(t, 42, `{"a":1}`), at(flushed)); err != nil || key != "orders-2-42.gz" {
		t.Errorf("by Aiven's class: got %q and %v", key, err)
	}
	for template, want := range map[string]string{
		"{{topic}}-{{start_offset}}":                             "names different objects alike",
		"{{topic}}-{{partition}}-{{offset}}":                     "{{offset}} is not known",
		"{{topic}}-{{partition}}-{{start_offset:padding=maybe}}": "does not take padding=maybe",
		"{{topic}}-{{partition}}-{{timestamp}}":                  "needs a unit",
		"{{key}}":                                                "{{key}} is not supported",
		"{{topic}}-{{partition}}-{{start_offset}}-{{":            "is no variable",
	} {
		if _, err := parseTemplate(template); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", template, err, want)
		}
	}
}
