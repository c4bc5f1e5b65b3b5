package clickhouse

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/shopspring/decimal"

	"connectd/convert"
	"connectd/record"
)

const (
	benchRows  = 100_000
	eventsCols = "id Int64, user_id Int64, kind String, amount Decimal(12, 2), payload String, created_at DateTime64(6, 'UTC')"
)

// eventRows are rows of the reference workload, about 250 bytes each.
func eventRows(n int) *record.Batch {
	s := structOf("id", int64s, "user_id", int64s, "kind", strings_,
		"amount", named(record.BytesType, record.DecimalName, record.Param{Name: "scale", Value: "2"}),
		"payload", named(record.StringType, record.JSONName), "created_at", named(record.Int64Type, record.MicroTimestampName))
	b := new(record.Batch)
	for i := range n {
		cells := []record.Value{
			record.OfInt(int64(i)), record.OfInt(int64(i * 7919 % 10007)), text("page_view"),
			number(fmt.Sprintf("%d.%02d", i%10000, i%100)), text(eventPayload(i)), record.OfInt(1_700_000_000_000_000 + int64(i)*1000),
		}
		b.Records = append(b.Records, rec(s, cells...))
	}
	return batchOf(0, b.Records...)
}

func eventPayload(i int) string {
	return fmt.Sprintf(`{"path": "/products/%d", "agent": "Mozilla/5.0", "session": "%032x", "note": "%s"}`, i, i*2654435761, strings.Repeat("x", 80))
}

// BenchmarkWrite measures what one row costs until it waits encoded for the flush.
func BenchmarkWrite(b *testing.B) {
	w, t := offlineWriter(eventsCols)
	rows := eventRows(10_000)
	fill := func() {
		if err := w.Write(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
		if len(rows.Failed()) > 0 {
			b.Fatal(rows.Failed()[0].Err)
		}
	}
	fill()
	w.release(t)
	b.ReportAllocs()
	for b.Loop() {
		fill()
		w.release(t)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows.Records)), "ns/row")
}

// offlineWriter is a writer whose table is known without a server.
func offlineWriter(columns string) (*Writer, *table) {
	cfg := new(Config)
	cfg.Defaults()
	t := &table{place: place{table: testTopic}, quoted: "`" + testTopic + "`", topic: []byte(testTopic), version: -1, deleted: -1, byName: make(map[string]int), mappings: make(map[schemas]*mapping)}
	args, err := splitArgs(columns)
	if err != nil {
		panic(err)
	}
	for _, a := range args {
		name, kind, _ := strings.Cut(a, " ")
		t.byName[name] = len(t.columns)
		t.columns = append(t.columns, tableColumn{name: name, kind: kind})
	}
	p, err := convert.NewPlaceholder(cfg.Placeholder)
	if err != nil {
		panic(err)
	}
	w := &Writer{client: &client{cfg: cfg, idle: new(connections)}, spare: &columnPool{}, unavailable: placeholder{p, cfg.Unavailable}, tables: map[string]*table{testTopic: t}}
	return w, t
}

// TestWriteAllocates holds the hot path to allocations by batch (a block and its columns), none by row.
func TestWriteAllocates(t *testing.T) {
	w, table := offlineWriter(eventsCols + ", tags Array(Nullable(String)), n Nullable(Int32)")
	rows := eventRows(1000)
	got := testing.AllocsPerRun(20, func() {
		if err := w.Write(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		w.release(table)
	})
	if limit := 200.0; got > limit {
		t.Errorf("allocations for a batch of %d rows: got %v, want at most %v", len(rows.Records), got, limit)
	}
}

// BenchmarkInsert compares the sink, from cells to the answer of the server, with clickhouse-go
// inserting columns that are ready in memory.
func BenchmarkInsert(b *testing.B) {
	for _, compression := range []string{"none", "lz4"} {
		b.Run("sink/"+compression, func(b *testing.B) {
			x := benchTarget(b, compression)
			rows := eventRows(benchRows)
			w := x.writer()
			n := 0
			for b.Loop() {
				n++
				if err := w.Write(b.Context(), rows); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(b.Context(), rangeOf(rows, id(n))); err != nil {
					b.Fatal(err)
				}
			}
			rate(b)
		})
		b.Run("driver/"+compression, func(b *testing.B) {
			x := benchTarget(b, compression)
			conn, err := clickhouse.Open(&clickhouse.Options{
				Addr: []string{fmt.Sprintf("%s:%d", x.server.Host, x.server.Port)}, Protocol: clickhouse.HTTP,
				Auth:        clickhouse.Auth{Database: x.db, Username: x.server.User, Password: x.server.Password},
				Compression: &clickhouse.Compression{Method: map[string]clickhouse.CompressionMethod{"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4}[compression]},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			columns := eventColumns(benchRows)
			for b.Loop() {
				batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO orders (id, user_id, kind, amount, payload, created_at)")
				if err != nil {
					b.Fatal(err)
				}
				for i, c := range columns {
					if err := batch.Column(i).Append(c); err != nil {
						b.Fatal(err)
					}
				}
				if err := batch.Send(); err != nil {
					b.Fatal(err)
				}
			}
			rate(b)
		})
	}
}

func rate(b *testing.B) {
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
}

func benchTarget(b *testing.B, compression string) *target {
	x := newTarget(b, func(c *Config) { c.Compress = compression })
	x.query("CREATE TABLE $db.orders (" + eventsCols + ") ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000")
	return x
}

// eventColumns are the same rows in the slices that the driver takes.
func eventColumns(n int) []any {
	ids, users := make([]int64, n), make([]int64, n)
	kinds, payloads := make([]string, n), make([]string, n)
	amounts, times := make([]decimal.Decimal, n), make([]time.Time, n)
	for i := range n {
		ids[i], users[i], kinds[i], payloads[i] = int64(i), int64(i*7919%10007), "page_view", eventPayload(i)
		amounts[i] = decimal.New(int64(i%10000*100+i%100), -2)
		times[i] = time.UnixMicro(1_700_000_000_000_000 + int64(i)*1000)
	}
	return []any{ids, users, kinds, amounts, payloads, times}
}
