package s3

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"connectd/config"
	"connectd/record"
)

// ranges asks w about records of those times, in milliseconds, one after the other, and returns the
// indices of those that begin a range.
func ranges(w *writer, times ...int64) (begin []int) {
	first := true
	for i, at := range times {
		b := batch(int64(i), `{"n":1}`)
		b.Records[0].Timestamp = at
		if w.Ends(&b.Records[0], first) && !first {
			begin = append(begin, i)
			w.Ends(&b.Records[0], true)
		}
		first = false
	}
	return begin
}

func TestRotationByRecordTime(t *testing.T) {
	const hour = int64(time.Hour / time.Millisecond)
	hourly := func(c *Config) { c.Partitioner, c.Extractor, c.Interval = "hourly", "Record", time.Hour }
	for _, c := range []struct {
		name  string
		set   func(*Config)
		times []int64
		want  []int
	}{
		{"by the record's timestamp", func(c *Config) { c.Interval = time.Second }, []int64{5000, 5999, 6000, 6500, 7000}, []int{2, 4}},
		{"without the rule", nil, []int64{0, hour, 2 * hour}, nil},
		{"a later folder", hourly, []int64{hour - 2, hour - 1, hour, hour + 1}, []int{2}},
		{"a later folder, not asked for", func(c *Config) { hourly(c); c.OnChange = false }, []int64{hour - 2, hour - 1, hour, hour + 1, 2*hour - 2}, []int{4}},
		{"late records end nothing", hourly, []int64{hour, hour + 1, hour - 5, hour + 2, 3, hour + 3, 2 * hour, hour - 1, 2*hour + 1}, []int{6}},
		{"a late record that begins a range ends nothing after it", hourly, []int64{10 * hour, 11 * hour, 12 * hour, 12*hour + 1}, []int{1, 2}},
		{"the clock's time ends nothing by records", func(c *Config) { c.Partitioner, c.Interval = "hourly", time.Second }, []int64{0, 10 * hour}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ranges(offline(t, c.set), c.times...); !slices.Equal(got, c.want) {
				t.Errorf("ranges begin at %v, want %v", got, c.want)
			}
		})
	}
	t.Run("late after a flush", func(t *testing.T) {
		w := offline(t, hourly)
		ranges(w, 10*hour)
		if got := ranges(w, hour, 10*hour+1, 2*hour, 10*hour+2, 11*hour); !slices.Equal(got, []int{4}) {
			t.Errorf("ranges begin at %v, want only the last", got)
		}
	})
}

func TestRotationByOpenFiles(t *testing.T) {
	w := offline(t, func(c *Config) { c.Partitioner, c.PartitionFields, c.MaxOpen = "field", []string{"n"}, 2 })
	var got []int
	for i, n := range []int{1, 2, 1, 3, 1, 3, 2, 2} {
		b := decoded(t, int64(i), fmt.Sprintf(`{"n":%d}`, n))
		if w.Ends(&b.Records[0], i == 0) && i > 0 {
			got = append(got, i)
			w.Ends(&b.Records[0], true)
		}
	}
	if !slices.Equal(got, []int{3, 6}) {
		t.Errorf("ranges begin at %v, want 3 and 6", got)
	}
}

// TestRotationByClock looks when a range ends though nothing follows.
func TestRotationByClock(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Config)
		want time.Duration // after the range's first record, at 00:00:07 UTC
	}{
		{"no rule at all is a minute", nil, 53 * time.Second},
		{"flush.size alone waits for its records", func(c *Config) { c.Rows = 3 }, 0},
		{"schedule", func(c *Config) { c.Schedule = 10 * time.Second }, 3 * time.Second},
		{"schedule since midnight of the zone", func(c *Config) { c.Schedule, c.Timezone = 7*time.Hour, "+05:00" }, 2*time.Hour - 7*time.Second},
		{"record time on an idle topic", func(c *Config) { c.Interval = time.Second }, 1100 * time.Millisecond},
		{"wall clock", func(c *Config) { c.Interval, c.Partitioner = time.Second, "hourly" }, time.Second},
		{"the earlier one", func(c *Config) { c.Interval, c.Schedule = time.Hour, 10*time.Second }, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := offline(t, c.set)
				time.Sleep(7 * time.Second) // the bubble's clock begins at midnight
				b := batch(0, `{"n":1}`)
				w.Ends(&b.Records[0], true)
				due := w.Due()
				if got := time.Until(due); due.IsZero() != (c.want == 0) || c.want > 0 && got != c.want {
					t.Errorf("due in %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestRotationBySize(t *testing.T) {
	w := offline(t, func(c *Config) { c.Bytes, c.Compression = 100<<10, "none" })
	large := fmt.Sprintf(`{"n":"%01000d"}`, 1)
	n := 0
	for ; ; n++ {
		b := batch(int64(n), large)
		w.Ends(&b.Records[0], n == 0)
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if due := w.Due(); !due.IsZero() && !due.After(time.Now()) {
			break
		}
	}
	if n < 100 || n > 102 {
		t.Errorf("the object was finished after %d KB, want 100", n)
	}
	if err := w.reset(); err != nil || !w.Due().IsZero() {
		t.Errorf("after the flush it is due at once: %v", err)
	}
}

// TestRuntimeCutsByRows makes sure that the runtime's own limits do not cut what the settings want
// in one piece.
func TestRuntimeCutsByRows(t *testing.T) {
	c := offline(t, func(c *Config) { c.Schedule = time.Hour }).sink.cfg
	if b := c.Batching(); b.Rows != math.MaxInt || b.Bytes != config.Size(math.MaxInt64) || b.Linger != math.MaxInt64 || !b.Spooled {
		t.Errorf("got %+v", b)
	}
	c.Rows = 3
	if b := c.Batching(); b.Rows != 3 {
		t.Errorf("flush.size is 3, got %+v", b)
	}
}

// TestFilesOfSchemas makes sure that a schema is known by what it says, not by its address.
func TestFilesOfSchemas(t *testing.T) {
	schema := func(field string) *record.Schema {
		return &record.Schema{Type: record.StructType, Fields: []record.Field{{Name: field, Schema: &record.Schema{Type: record.StringType}}}}
	}
	o := newFiles()
	a, b := &file{}, &file{}
	o.add(a, schema("a"))
	o.add(b, schema("b"))
	for range 3 {
		if o.find(nil, schema("a")) != a || o.find(nil, schema("b")) != b || o.find(nil, schema("c")) != nil || o.find([]byte("x"), schema("a")) != nil {
			t.Fatal("a file is found under another schema or folder than its own")
		}
	}
}
