package s3

import (
	"hash/fnv"
	"io"
	"strconv"

	"connectd/record"
	"connectd/sink/s3/format"
)

// file is one open object of a partition: the records of one folder and, where the format asks for
// it, of one schema.
type file struct {
	folder      string // without the time, when that is the time of the flush
	timed       bool   // the time comes after it
	schema      string // fingerprint in hex; empty where the file takes any
	enc         format.Encoder
	out         *output
	first, last int64 // offsets
	rows        int
}

func (f *file) add(r *record.Record) {
	if f.rows == 0 {
		f.first = r.Offset
	}
	f.last = r.Offset
	f.rows++
}

// fileKey is what tells the open objects of a partition apart.
type fileKey struct {
	folder string
	schema uint64 // fingerprint; 0 where a file takes any
}

// files are the open objects of a partition.
type files struct {
	open map[fileKey]*file

	// recent is the file of the record before, which most often is that of the next.
	recent       *file
	recentSchema *record.Schema
	prints       map[*record.Schema]uint64
}

func newFiles() *files {
	return &files{open: map[fileKey]*file{}, prints: map[*record.Schema]uint64{}}
}

// find is the file of folder and schema, nil when none is open.
func (o *files) find(folder []byte, schema *record.Schema) *file {
	if o.recent == nil || o.recentSchema != schema || o.recent.folder != string(folder) {
		o.recent, o.recentSchema = o.open[fileKey{string(folder), o.print(schema)}], schema
	}
	return o.recent
}

func (o *files) add(f *file, schema *record.Schema) {
	o.open[fileKey{f.folder, o.print(schema)}] = f
	o.recent, o.recentSchema = f, schema
}

// mostPrints bounds the memory of fingerprints: schemas of data without any are made anew all the
// time.
const mostPrints = 1000

// print is a fingerprint of what s says: the same schema may be at several addresses.
func (o *files) print(s *record.Schema) uint64 {
	if s == nil {
		return 0
	}
	p, ok := o.prints[s]
	if !ok {
		h := fnv.New64a()
		describe(h, s)
		if len(o.prints) >= mostPrints {
			clear(o.prints)
		}
		p = h.Sum64() | 1
		o.prints[s] = p
	}
	return p
}

// describe writes what tells s from another schema.
func describe(w io.Writer, s *record.Schema) {
	if s == nil {
		return
	}
	_, _ = io.WriteString(w, s.Type.String()+"\x00"+strconv.FormatBool(s.Optional)+s.Name+"\x00"+strconv.Itoa(s.Version)+"\x00")
	for _, p := range s.Params {
		_, _ = io.WriteString(w, p.Name+"="+p.Value+"\x00")
	}
	for _, f := range s.Fields {
		_, _ = io.WriteString(w, f.Name+"\x00")
		describe(w, f.Schema)
	}
	describe(w, s.Key)
	describe(w, s.Elem)
	_, _ = io.WriteString(w, "\x01")
}
