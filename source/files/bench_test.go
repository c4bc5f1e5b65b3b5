package files

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"connectd/connect"
	"connectd/convert"
	"connectd/record"
)

// benchRows is how many rows the files of the benchmarks have.
const benchRows = 200_000

func benchFile(b testing.TB, name string) (path string, size int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), name)
	var text bytes.Buffer
	if filepath.Ext(name) == ".csv" {
		text.WriteString("id,customer,email,amount,currency,created_at,status,comment\n")
	}
	for i := range benchRows {
		if filepath.Ext(name) == ".csv" {
			fmt.Fprintf(&text, "%d,customer %d,user%d@example.com,%d.%02d,EUR,2026-11-21T01:02:03.%03dZ,open,\"ships, when paid\"\n", i, i%977, i, i%500, i%100, i%1000)
		} else {
			fmt.Fprintf(&text, `{"id":%d,"customer":"customer %d","email":"user%d@example.com","amount":%d.%02d,"currency":"EUR","created_at":"2026-11-21T01:02:03.%03dZ","status":"open","tags":["new","web"],"comment":"ships, when paid"}`+"\n", i, i%977, i, i%500, i%100, i%1000)
		}
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path, int64(text.Len())
}

// The pairs: ParseOnly is a program that only parses the file with the standard library and
// discards it; Source is the source up to its batches, and Encoded up to the bytes of Kafka
// records with the JSON converter.

func BenchmarkJSONLinesParseOnly(b *testing.B) { benchLines(b, json.Valid) }

// BenchmarkJSONLinesCheckOnly is the harder measure: our own checker, nothing else.
func BenchmarkJSONLinesCheckOnly(b *testing.B) {
	benchLines(b, func(line []byte) bool { return convert.CheckJSON(line) == nil })
}

func benchLines(b *testing.B, valid func(line []byte) bool) {
	path, size := benchFile(b, "rows.jsonl")
	b.SetBytes(size)
	cpuBegan[b.Name()] = cpuTime()
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(make([]byte, 256<<10), 1<<20)
		for lines.Scan() {
			if !valid(lines.Bytes()) {
				b.Fatal("not JSON")
			}
		}
		_ = f.Close()
	}
	perRow(b)
}

func BenchmarkJSONLinesSource(b *testing.B) {
	path, size := benchFile(b, "rows.jsonl")
	benchSource(b, path, size, nil)
}

func BenchmarkCSVParseOnly(b *testing.B) {
	path, size := benchFile(b, "rows.csv")
	b.SetBytes(size)
	cpuBegan[b.Name()] = cpuTime()
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		rows := csv.NewReader(bufio.NewReaderSize(f, 256<<10))
		rows.ReuseRecord = true
		for {
			if _, err := rows.Read(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		_ = f.Close()
	}
	perRow(b)
}

func BenchmarkJSONLinesEncoded(b *testing.B) {
	path, size := benchFile(b, "rows.jsonl")
	benchSource(b, path, size, newEncoder(b))
}

func BenchmarkCSVEncoded(b *testing.B) {
	path, size := benchFile(b, "rows.csv")
	benchSource(b, path, size, newEncoder(b))
}

func BenchmarkCSVSource(b *testing.B) {
	path, size := benchFile(b, "rows.csv")
	benchSource(b, path, size, nil)
}

// benchSource runs the source over the file, and e over its batches unless it is nil.
func benchSource(b *testing.B, path string, size int64, e *encoder) {
	c := settings(b, "topic", "rows", "include", path, "file.stable.ms", "0", "poll.interval.ms", "1", "watch", "false")
	b.SetBytes(size)
	b.ReportAllocs()
	cpuBegan[b.Name()] = cpuTime()
	for b.Loop() {
		if n := e.drain(b, c, func(int) {}); n != benchRows {
			b.Fatalf("%d rows", n)
		}
	}
	perRow(b)
}

// perRow reports the time of a row, also as processor time: reading and encoding are two
// goroutines, and what matters is what they cost on one core.
func perRow(b *testing.B) {
	b.Helper()
	if began, ok := cpuBegan[b.Name()]; ok {
		b.ReportMetric(float64(cpuTime()-began)/float64(b.N*benchRows), "cpu-ns/row")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRows), "ns/row")
}

var cpuBegan = map[string]time.Duration{}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// encoder does what the runtime's pipeline does with a batch before Kafka.
type encoder struct {
	value, key *convert.JSON
	header     *convert.Simple
	buf        []byte
}

func newEncoder(b testing.TB) *encoder {
	b.Helper()
	value, err := convert.NewJSON(&convert.JSONConfig{})
	if err != nil {
		b.Fatal(err)
	}
	key, err := convert.NewJSON(&convert.JSONConfig{})
	if err != nil {
		b.Fatal(err)
	}
	header, err := convert.NewSimple(&convert.SimpleConfig{})
	if err != nil {
		b.Fatal(err)
	}
	return &encoder{value: value, key: key, header: header}
}

// drain reads a file to its end and returns its rows. It calls at before each batch.
func (e *encoder) drain(b testing.TB, c *Config, at func(rows int)) (rows int) {
	b.Helper()
	own := *c
	s, err := New(&own, connect.Env{Connector: "bench", Class: "files-source", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	intake := connect.NewIntake("bench", 8, nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, intake.Task()) }()
	for rows < benchRows {
		at(rows)
		batch := <-intake.Sent()
		e.encode(b, batch)
		rows += len(batch.Records)
		intake.Retire(batch)
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return rows
}

func (e *encoder) encode(b testing.TB, batch *record.Batch) {
	if e == nil {
		return
	}
	e.buf = e.buf[:0]
	var err error
	for i := range batch.Records {
		r := &batch.Records[i]
		if e.buf, _, err = e.key.Encode(e.buf, r.Topic, r.Key); err != nil {
			b.Fatal(err)
		}
		if e.buf, _, err = e.value.Encode(e.buf, r.Topic, r.Value); err != nil {
			b.Fatal(err)
		}
		for j := range r.Headers {
			if e.buf, _, err = e.header.Encode(e.buf, r.Topic, r.Headers[j].Value); err != nil {
				b.Fatal(err)
			}
		}
	}
}
