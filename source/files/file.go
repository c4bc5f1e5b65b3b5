package files

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectd/record"
)

// phase is where a file stands.
type phase int

const (
	waiting  phase = iota // not ready, or nothing to read
	queued                // a reader has it, or will
	done                  // read to its end; to be cleaned up when that is durable
	finished              // nothing more to do while it does not change
	held                  // may be a copy of another file that is about to be truncated
	gone                  // not in the listing any more, only its state is kept
)

// file is a file that the source knows. It belongs to the goroutine of Run, and while it is
// queued to the reader that has it; seen, phase and what follows them always belong to Run.
type file struct {
	id        string
	partition []byte
	entry     entry // as it was when the reader got it
	state     state // behind the last batch that was sent

	content *content
	in      *input
	out     *output
	format  format
	ranges  *ranges // when it is read in ranges; then the four above are nil

	ask  ask    // what the reader is to do
	met  result // what it met
	mark uint64 // of the last batch that was sent

	seen    entry // as listed last
	last    state // state when no reader had it last
	inside  int64 // within then
	stored  bool  // there is a state of it in the offsets, or on its way
	phase   phase
	opened  bool      // it was open when it was queued
	changed time.Time // when size or time were last seen to change, or what is left was read
	dirty   bool      // something happened while a reader had it
	lost    time.Time // when it was not in the listing first
	copies  *file     // of a held file: what it seems to be a copy of
	proven  int64     // and how much of its content was found there
}

// ask says how a file is to be read.
type ask struct {
	final bool // what is left at the end is a record
	done  bool // and then the file is done
	flush bool // lines that are put together are a record
}

// result is what a reader met.
type result struct {
	eof       bool // all that is there was read
	done      bool
	truncated bool
	stopped   bool
	err       error
}

// stamp gives b the position behind its records.
func (f *file) stamp(b *record.Batch) {
	st := &f.state
	if in := f.in; in != nil {
		st.Offset, st.Line = in.position, in.line
		st.Head = sumOf(in.head[:min(int64(len(in.head)), in.position)])
		st.Tail = sumOf(in.tail())
	}
	switch rows := f.format.(type) {
	case *csvRows:
		st.Header, st.Types = rows.header, rows.types
	case *parquetRows:
		st.Head = sumOf(rows.head)
	case *avroRows:
		st.Row = rows.row
	}
	f.put(b)
}

// put gives b the state of f.
func (f *file) put(b *record.Batch) {
	st := &f.state
	st.Path, st.Dev, st.Inode, st.ETag = f.entry.path, f.entry.dev, f.entry.inode, f.entry.etag
	st.Size, st.MTime = f.entry.size, f.entry.mtime.UnixNano()
	f.stored = true
	b.Offsets = append(b.Offsets, record.SourceOffset{Partition: f.partition, Offset: b.Append(512, st.append)})
}

// fill appends records to b until it is full or the content ends. more says that it is full.
func (f *file) fill(b *record.Batch) (more bool, err error) {
	if err := f.in.skipMark(); err != nil {
		return false, err
	}
	if m, ok := f.format.(*multiline); ok {
		m.flush = f.ask.flush
	}
	for !f.out.isFull(b) {
		if err := f.format.next(b, f.ask.final); err != nil {
			if errors.Is(err, errMore) {
				err = nil
			}
			return false, err
		}
	}
	return true, nil
}

// pending says whether something was read that is no whole record.
func (f *file) pending() bool {
	return f.in != nil && f.in.base+int64(f.in.end) > f.in.position
}

// close gives the file back to the system.
func (f *file) close() {
	if a, ok := f.format.(*avroRows); ok {
		a.close()
	}
	if f.content != nil {
		f.content.Close()
	}
	if f.ranges != nil {
		for _, p := range f.ranges.parts {
			if p != nil {
				p.close()
			}
		}
	}
	f.content, f.in, f.format, f.ranges = nil, nil, nil, nil
}

// open opens f at its position. The error is errOther when the content there is not the one
// that was read before.
func (s *Source) open(f *file) error {
	path, st := f.entry.path, &f.state
	c, err := s.openContent(f.entry)
	if err != nil {
		return err
	}
	now, err := c.file.stat()
	if err == nil && now.inode != f.entry.inode {
		err = fmt.Errorf("open %q: %w", path, errMoved)
	}
	if err != nil {
		c.Close()
		return err
	}
	in := newInput(c, int(s.config.MaxLine), int(s.config.Fingerprint))
	if st.Offset > 0 {
		if c, err = s.resume(c, in, f.entry, st); err != nil {
			return fmt.Errorf("go on in %q: %w", path, err)
		}
	}
	f.content, f.in = c, in
	f.out = newOutput(s.config, path, f.entry.mtime)
	if f.format, err = s.newFormat(f); err != nil {
		f.close()
		return err
	}
	return nil
}

// resume checks that c is the content of st and moves to its position, on a content that is c or
// stands for it.
func (s *Source) resume(c *content, in *input, e entry, st *state) (*content, error) {
	head, tail := make([]byte, st.Head.N), make([]byte, st.Tail.N)
	_, err := io.ReadFull(c, head)
	if err == nil && !c.plain { // it can not be read backwards
		c.Close()
		if c, err = s.openContent(e); err != nil {
			return nil, err
		}
	}
	if err == nil {
		err = c.seek(st.Offset - int64(st.Tail.N))
	}
	if err == nil {
		_, err = io.ReadFull(c, tail)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !(st.Head.is(head) && st.Tail.is(tail)) {
		err = errOther
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	in.r = c
	in.resume(head, tail, st.Offset, st.Line)
	return c, nil
}

// newFormat is the format of an open file, by the settings or by its name.
func (s *Source) newFormat(f *file) (format, error) {
	c := s.config
	switch kind := formatOf(c, f.entry.path); kind {
	case "parquet":
		p, err := newParquet(s, f)
		if err != nil {
			return nil, fmt.Errorf("open %q: %w", f.entry.path, err)
		}
		return p, nil
	case "avro":
		a, err := newAvro(s, f)
		if err != nil {
			return nil, fmt.Errorf("open %q: %w", f.entry.path, err)
		}
		return a, nil
	case "csv", "tsv":
		return newCSV(c, f.in, f.out, f.state.Header, f.state.Types, kind == "tsv")
	case "json", "jsonl":
		j, err := newJSONRecords(c, f.out, s.env.Transforms)
		if err != nil {
			return nil, err
		}
		if kind == "jsonl" {
			return &jsonLines{j, f.in}, nil
		}
		return newJSONDocument(j, f.in), nil
	}
	plain := lines{in: f.in, out: f.out, skip: c.SkipEmpty}
	if c.Multiline != nil {
		return &multiline{lines: plain, pattern: c.Multiline, begins: c.MultilineMatch == "start", max: c.MultilineMax}, nil
	}
	return &plain, nil
}

// packedSuffixes are what compressing adds to the name of a file.
var packedSuffixes = []string{".gz", ".gzip", ".zst", ".zstd", ".sz", ".snappy"}

// packs says whether path is the name that compressing the file at from gives.
func packs(path, from string) bool {
	suffix, ok := strings.CutPrefix(path, from)
	return ok && slices.Contains(packedSuffixes, suffix)
}

// formatOf is the format of the file at path.
func formatOf(c *Config, path string) string {
	if c.Format != "auto" {
		return c.Format
	}
	name := strings.ToLower(filepath.Base(path))
	for _, packed := range packedSuffixes {
		name = strings.TrimSuffix(name, packed)
	}
	switch filepath.Ext(name) {
	case ".csv":
		return "csv"
	case ".tsv", ".tab":
		return "tsv"
	case ".jsonl", ".ndjson":
		return "jsonl"
	case ".json":
		return "json"
	case ".parquet":
		return "parquet"
	case ".avro":
		return "avro"
	}
	return "lines"
}
