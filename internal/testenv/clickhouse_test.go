package testenv

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func TestClickHouse(t *testing.T) {
	t.Parallel()
	c := OwnClickHouse(t, ClickHouseOptions{})
	conn := clickhouseConn(t, c, "default", clickhouse.CompressionLZ4)
	if err := conn.Exec(t.Context(), "CREATE TABLE orders (id UInt64, name String) ENGINE = MergeTree ORDER BY id"); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		insertOrders(t, conn, "orders", 1000)
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%d\tname 999", (i+1)*1000)
		if got, err := c.Query(t.Context(), "SELECT count(), max(name) FROM orders"); err != nil || got != want {
			t.Errorf("after restart: got %q, %v; want %q", got, err, want)
		}
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Query(t.Context(), "SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	proc := c.process
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, proc)
}

// TestClickHouseDriver inserts and reads with clickhouse-go in each compression.
func TestClickHouseDriver(t *testing.T) {
	c, db := ClickHouseDatabase(t)
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4,
		"zstd": clickhouse.CompressionZSTD, "gzip": clickhouse.CompressionGZIP,
	} {
		t.Run(name, func(t *testing.T) {
			conn := clickhouseConn(t, c, db, method)
			if err := conn.Exec(t.Context(), "CREATE TABLE "+name+" (id UInt64, name String, CONSTRAINT small CHECK id < 100000) ENGINE = MergeTree ORDER BY id"); err != nil {
				t.Fatal(err)
			}
			insertOrders(t, conn, name, 70000)
			rows, err := conn.Query(t.Context(), "SELECT id, name FROM "+name+" ORDER BY id")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var n uint64
			for ; rows.Next(); n++ {
				var id uint64
				var s string
				if err := rows.Scan(&id, &s); err != nil {
					t.Fatal(err)
				}
				if id != n || s != fmt.Sprint("name ", n) {
					t.Fatalf("row %d: got %d, %q", n, id, s)
				}
			}
			if err := rows.Err(); err != nil || n != 70000 {
				t.Errorf("got %d rows, %v; want 70000", n, err)
			}

			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+name)
			if err != nil {
				t.Fatal(err)
			}
			if err := batch.Append(uint64(100001), "too large"); err != nil {
				t.Fatal(err)
			}
			if err := batch.Send(); err == nil || !strings.Contains(err.Error(), "VIOLATED_CONSTRAINT") {
				t.Errorf("insert against a constraint: got error %v", err)
			}
		})
	}
}

func TestClickHouseErrors(t *testing.T) {
	c, db := ClickHouseDatabase(t)
	if _, err := c.Query(t.Context(), "SELECT * FROM "+db+".nothing"); err == nil || !strings.Contains(err.Error(), "Code: 60") {
		t.Errorf("unknown table: got error %v, want code 60", err)
	}
	wrong := *c
	wrong.Password = "wrong"
	if _, err := wrong.Query(t.Context(), "SELECT 1"); err == nil || !strings.Contains(err.Error(), "Code: 516") {
		t.Errorf("wrong password: got error %v, want code 516", err)
	}
}

func clickhouseConn(t *testing.T, c *ClickHouse, db string, method clickhouse.CompressionMethod) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{address(c.Port)},
		Auth:        clickhouse.Auth{Database: db, Username: c.User, Password: c.Password},
		Compression: &clickhouse.Compression{Method: method},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func insertOrders(t *testing.T, conn driver.Conn, table string, n int) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+table)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := batch.Append(uint64(i), fmt.Sprint("name ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}
