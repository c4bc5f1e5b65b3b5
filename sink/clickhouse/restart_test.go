package clickhouse

import (
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// TestServerGone kills the server between Write and Flush: the flush fails with an error that the
// runtime may try again, and the range arrives once when the server is back.
func TestServerGone(t *testing.T) {
	server := testenv.OwnClickHouse(t, testenv.ClickHouseOptions{})
	x := newTargetOn(t, server, "default", func(c *Config) {
		c.Retries, c.InsertTimeout = 1, millis(10*time.Second)
	})
	x.query("CREATE TABLE $db.orders (id Int64, name String) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	x.write(orders(0, 5), id(1))
	w := x.writer()
	b := orders(5, 5)
	if err := w.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context(), rangeOf(b, id(2))); err == nil || connect.IsPermanent(err) {
		t.Errorf("while the server is gone: got %v, want an error that is not permanent", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := x.sink.Open(t.Context(), rangeOf(b, "").Partition); err == nil || connect.IsPermanent(err) {
		t.Errorf("open while the server is gone: got %v, want an error that is not permanent", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	x.write(b, id(2))
	x.write(b, id(2))
	x.write(orders(0, 5), id(1)) // the window outlives the server
	x.want("SELECT count(), uniqExact(id) FROM $db.orders", "10\t10")
}
