package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// measureFile measures a file until Kafka has all its rows, beside a program that only parses it
// and discards the rows. Both are rates on one core: rows by the processor time, user and system,
// that they took, since here both cores are shared with the broker and others, and connectd uses
// more than one. Of connectd all is counted but its start: reading, parsing, encoding and the
// Kafka client. The rate by the clock, from the process's start, is in the note.
func measureFile(format string, write func(w *bufio.Writer, i int), parse func(r io.Reader) error) func(ctx context.Context, e *engines, o options) ([]result, error) {
	return func(ctx context.Context, e *engines, o options) ([]result, error) {
		dir, err := os.MkdirTemp("", "connectd-bench-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path := filepath.Join(dir, "rows."+format)
		if err := writeFile(path, o.rows, write); err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // read only
		began := ownCPU()
		if err := parse(bufio.NewReaderSize(f, 1<<20)); err != nil {
			return nil, err
		}
		bare := float64(o.rows) / (ownCPU() - began).Seconds()

		topic := e.name("file")
		run, err := e.start(fmt.Sprintf(`
  %[1]s:
    connector.class: files-source
    topic: %[1]s
    input.path: %[2]s
    include: '*.%[3]s'
    file.stable.ms: 0
    metadata.location: NONE
    topic.creation.default.partitions: 1
`, topic, dir, format) + jsonLines)
		if err != nil {
			return nil, err
		}
		defer run.stop()
		if _, err := e.awaitRecords(ctx, topic, 1); err != nil {
			return nil, run.failed(err)
		}
		started := run.cpu()
		before, err := e.records(ctx, topic)
		if err != nil {
			return nil, run.failed(err)
		}
		last, err := e.awaitRecords(ctx, topic, int64(o.rows))
		if err != nil {
			return nil, run.failed(err)
		}
		each := perEvent(run.cpu()-started, o.rows-int(before))
		return []result{{Name: "file of " + format + " to Kafka, one core", PerSecond: 1e6 / each, CPU: each, PeakMB: run.peak(),
			Bare: bare, BareBy: "parsing it only, one core", Note: fmt.Sprintf("; %.0f/s by the clock", float64(o.rows)/last.Sub(run.started).Seconds())}}, nil
	}
}

// ownCPU is the processor time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0 // it never fails for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func writeFile(path string, rows int, write func(w *bufio.Writer, i int)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for i := range rows {
		write(w, i)
	}
	return errors.Join(w.Flush(), f.Close())
}

func csvRow(w *bufio.Writer, i int) {
	if i == 0 {
		fmt.Fprintln(w, "id,customer,email,amount,currency,created_at,status,comment")
	}
	fmt.Fprintf(w, "%d,customer %d,user%d@example.com,%d.%02d,EUR,2026-11-21T01:02:03.%03dZ,open,\"ships, when paid\"\n", i, i%977, i, i%500, i%100, i%1000)
}

func parseCSV(r io.Reader) error {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	for {
		if _, err := c.Read(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func jsonRow(w *bufio.Writer, i int) {
	_, _ = w.Write(flat(i)) // Flush reports what goes wrong
	_ = w.WriteByte('\n')
}

func parseJSON(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if !json.Valid(lines.Bytes()) {
			return errors.New("not JSON")
		}
	}
	return lines.Err()
}

// page is how many records the measured API answers with.
const page = 1000

// measureAPI times an API of 1,000 records a page until Kafka has them all, beside a client that
// asks for the same pages and takes the records apart.
func measureAPI(ctx context.Context, e *engines, o options) ([]result, error) {
	url, stop, err := serveAPI(o.rows)
	if err != nil {
		return nil, err
	}
	defer stop()
	begin := time.Now()
	if err := readAPI(ctx, url, o.rows); err != nil {
		return nil, err
	}
	bare := float64(o.rows) / time.Since(begin).Seconds()

	topic := e.name("api")
	run, err := e.start(fmt.Sprintf(`
  %[1]s:
    connector.class: api-source
    kafka.topic: %[1]s
    http.request.url: %[2]s
    http.request.params: from=${offset}
    http.response.list.pointer: /data
    http.response.record.key.pointer: /id
    http.pagination.type: offset
    http.pagination.page.size: %[3]d
    topic.creation.default.partitions: 1
`, topic, url, page) + jsonLines)
	if err != nil {
		return nil, err
	}
	defer run.stop()
	last, err := e.awaitRecords(ctx, topic, int64(o.rows))
	if err != nil {
		return nil, run.failed(err)
	}
	return []result{{Name: "API of 1,000 records a page to Kafka", PerSecond: float64(o.rows) / last.Sub(run.started).Seconds(),
		CPU: perEvent(run.cpu(), o.rows), PeakMB: run.peak(), Bare: bare, BareBy: "a plain client"}}, nil
}

// serveAPI answers ?from=N with a page of records; the pages are made beforehand.
func serveAPI(rows int) (url string, stop func(), err error) {
	var pages [][]byte
	for from := 0; from < rows; from += page {
		b := []byte(`{"data":[`)
		for i := from; i < min(rows, from+page); i++ {
			if i > from {
				b = append(b, ',')
			}
			b = append(b, flat(i)...)
		}
		pages = append(pages, append(b, "]}"...))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from")) // absent on the first page
		w.Header().Set("Content-Type", "application/json")
		if n := from / page; n < len(pages) {
			_, _ = w.Write(pages[n])
			return
		}
		_, _ = io.WriteString(w, `{"data":[]}`)
	})}
	go func() { _ = s.Serve(l) }() // ends with stop
	return "http://" + l.Addr().String(), func() { _ = s.Close() }, nil
}

func readAPI(ctx context.Context, url string, rows int) error {
	for from := 0; from < rows; from += page {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?from=%d", url, from), nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		var answer struct{ Data []json.RawMessage }
		err = json.NewDecoder(res.Body).Decode(&answer)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
