package files

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
)

type parquetOrder struct {
	ID      int64     `parquet:"id"`
	Name    string    `parquet:"name"`
	Note    *string   `parquet:"note,optional"`
	Price   int64     `parquet:"price,decimal(2:18)"`
	At      time.Time `parquet:"at,timestamp(microsecond)"`
	Day     int32     `parquet:"day,date"`
	Weight  float64   `parquet:"weight"`
	Small   float32   `parquet:"small"`
	Open    bool      `parquet:"open"`
	Payload []byte    `parquet:"payload"`
	Key     [16]byte  `parquet:"key,uuid"`
	Count   uint32    `parquet:"count"`

	Old deprecated.Int96 `parquet:"old"`
}

func parquetFile(t *testing.T, rows ...parquetOrder) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[parquetOrder](&b, parquet.MaxRowsPerRowGroup(100))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestParquet(t *testing.T) {
	note := "x"
	text := parquetFile(t,
		parquetOrder{ID: 1, Name: "one", Note: &note, Price: -1250, At: time.Date(2026, 11, 21, 1, 2, 3, 456000, time.UTC), Day: 20778, Weight: 1.5, Small: 0.25, Open: true, Payload: []byte{1, 2}, Key: [16]byte{1, 2, 3}, Count: 4_000_000_000, Old: deprecated.Int96{2e9, 0, 2440589}},
		parquetOrder{ID: 2, At: time.Unix(0, 0).UTC()})
	all := readAll(t, "a.parquet", text, "key.fields", "id")
	want := []string{
		`{"id":1,"name":"one","note":"x","price":-12.50,"at":1795222923000456,"day":20778,"weight":1.5,"small":0.25,"open":true,"payload":"AQI=","key":"01020300-0000-0000-0000-000000000000","count":4000000000,"old":86402000000}`,
		`{"id":2,"name":"","note":null,"price":0.00,"at":0,"day":0,"weight":0.0,"small":0.0,"open":false,"payload":"","key":"00000000-0000-0000-0000-000000000000","count":0,"old":-210866803200000000}`,
	}
	for i, w := range want {
		if i >= len(all) || all[i].value != w || all[i].err != nil || all[i].key != fmt.Sprint(i+1) {
			t.Errorf("record %d of %+v, want %s", i, all, w)
		}
	}
}

// Reading goes on at the row where it stopped, in any row group.
func TestParquetRestart(t *testing.T) {
	var rows []parquetOrder
	for i := range 350 {
		rows = append(rows, parquetOrder{ID: int64(i)})
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	write(t, path, parquetFile(t, rows...))
	c := settings(t, fast(filepath.Dir(path), "batch.size", "70", "key.fields", "id")...)
	r := start(t, c, nil)
	r.manual = true
	r.until("all batches", func() bool { return len(r.all) >= 350 })
	r.stop()
	for n := range r.sent {
		offsets := map[string][]byte{}
		for _, o := range r.sent[n].Offsets {
			offsets[string(o.Partition)] = o.Offset
		}
		if len(offsets) == 0 {
			continue
		}
		rest := 0
		for _, b := range r.sent[n+1:] {
			rest += len(b.Records)
		}
		again := start(t, c, offsets)
		again.until("the rest", func() bool { return len(again.all) >= rest })
		again.rest()
		again.stop()
		if len(again.all) != rest || rest > 0 && (again.all[0].key != fmt.Sprint(350-rest) || again.all[0].headers["file.line"] != fmt.Sprint(351-rest)) {
			t.Errorf("after batch %d: %d records from %+v, want %d", n, len(again.all), again.all[:min(1, len(again.all))], rest)
		}
	}
}

func TestParquetRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.parquet")
	write(t, path, "no parquet")
	if err := start(t, settings(t, fast(filepath.Dir(path))...), nil).fails(); !strings.Contains(err.Error(), "a.parquet") {
		t.Errorf("got %v", err)
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct {
		Tags []string `parquet:"tags"`
	}](&b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "b.parquet")
	write(t, path, b.String())
	if err := start(t, settings(t, fast(filepath.Dir(path))...), nil).fails(); !strings.Contains(err.Error(), `column "tags" is nested or repeated`) {
		t.Errorf("got %v", err)
	}
}
