package s3

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"connectd/record"
	"connectd/sink/s3/format"
)

// writer gathers one partition's records into the objects of the next flush.
type writer struct {
	sink     *Sink
	keys     *keys
	part     *partitioner
	rotation *rotation
	files    *files
	spool    spool
	opened   time.Time

	// last is the schema of the record before, and binding what its object is bound to.
	last, binding *record.Schema

	// seen are the objects of the records that the runtime has asked about, for
	// partitioner.max.open.files.
	seen map[fileKey]bool
	full bool // a file has its size, or there is no room for more
}

func newWriter(s *Sink, p record.Partition) *writer {
	s.writers.Add(1)
	return &writer{
		sink: s, keys: newKeys(s, p), part: newPartitioner(s.cfg, p), rotation: newRotation(s.cfg),
		files: newFiles(), spool: spool{dir: s.cfg.SpoolDir}, opened: time.Now(), seen: map[fileKey]bool{},
	}
}

// Ends says whether the open objects are finished before r.
func (w *writer) Ends(r *record.Record, first bool) bool {
	if w.rotation.ends(r, first) {
		return true
	}
	most := w.sink.cfg.MaxOpen
	if most < 1 || r.Value.IsNull() && w.sink.cfg.Nulls != "write" {
		return false
	}
	if first {
		clear(w.seen)
	}
	folder, err := w.part.encode(r)
	if err != nil {
		return false // Write says what is wrong with it
	}
	key := fileKey{string(folder), w.files.print(w.schema(r))}
	if !w.seen[key] && len(w.seen) >= most {
		return true
	}
	w.seen[key] = true
	return false
}

// Due is when the open objects are finished though no record follows.
func (w *writer) Due() time.Time {
	if w.full {
		return time.Now()
	}
	return w.rotation.due()
}

// Write appends the batch's records to their objects.
func (w *writer) Write(ctx context.Context, b *record.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Value.IsNull() {
			switch w.sink.cfg.Nulls {
			case "ignore":
				b.Skip()
				continue
			case "fail":
				b.Fail(i, fmt.Errorf("the value is null and behavior.on.null.values is fail"))
				continue
			}
		}
		f, err := w.file(r)
		if err != nil {
			b.Fail(i, err)
			continue
		}
		if err := f.enc.Append(b, i); err != nil {
			b.Fail(i, err)
			continue
		}
		f.add(r)
	}
	return w.bound()
}

// file is the open object that r belongs to. An error is about r.
func (w *writer) file(r *record.Record) (*file, error) {
	folder, err := w.part.encode(r)
	if err != nil {
		return nil, err
	}
	schema := w.schema(r)
	if f := w.files.find(folder, schema); f != nil {
		return f, nil
	}
	if most := w.keys.longestFolder(); len(folder) > most {
		return nil, fmt.Errorf("the folder %.40q… has %d bytes, and a key has room for %d", folder, len(folder), most)
	}
	f := &file{folder: string(folder), timed: w.part.wall() && !r.Value.IsNull(), out: newOutput(&w.spool, w.sink.compressors.Codec())}
	if schema != nil {
		f.schema = strconv.FormatUint(w.files.print(schema), 16)
	}
	if f.enc, err = format.New(&w.sink.cfg.Config, schema, f.out); err != nil {
		return nil, err
	}
	_, f.out.rows = f.enc.(format.Converter)
	w.files.add(f, schema)
	return f, nil
}

// schema is what r's object is bound to, nil for no schema.
func (w *writer) schema(r *record.Record) *record.Schema {
	if r.Value.Schema != w.last {
		w.last, w.binding = r.Value.Schema, w.sink.cfg.Binding(r.Value.Schema)
	}
	return w.binding
}

// What the open objects of a partition may hold in memory, few or many partitions: more is moved to
// disk. Large parts of compressed objects are moved anyway.
const (
	mostMemory  = 2 << 20
	leastMemory = 256 << 10
	sinkMemory  = 32 << 20 // of all partitions of a task, until it is too little for that
	bodyMemory  = 128 << 10
)

// What encoders may hold before a partition's open objects are finished, since that can not be moved
// to disk.
const (
	encoderMemory      = 64 << 20 // of all partitions of a task
	leastEncoderMemory = 4 << 20  // of one, in any case
)

// bound keeps the memory of the open objects within its limit, and looks whether they are to be
// finished for their size or their number.
func (w *writer) bound() error {
	held, encoding := 0, 0
	limit := int64(w.sink.cfg.Bytes)
	w.full = len(w.files.open) >= mostOpen
	for _, f := range w.files.open {
		if f.out.err != nil {
			return f.out.err
		}
		if f.out.body.inMemory() > bodyMemory {
			if err := f.out.body.spill(); err != nil {
				return err
			}
		}
		held += f.out.held()
		encoding += f.enc.Buffered()
		if limit > 0 && f.out.size() >= limit {
			w.full = true
		}
	}
	writers := int(w.sink.writers.Load())
	if encoding > max(leastEncoderMemory, encoderMemory/writers) {
		w.full = true
	}
	if held <= min(mostMemory, max(leastMemory, sinkMemory/writers)) {
		return nil
	}
	for _, f := range w.files.open {
		if err := f.out.spill(); err != nil {
			return err
		}
	}
	return nil
}

// Flush puts the objects. A range without rows leaves none behind.
func (w *writer) Flush(ctx context.Context, r record.Range) error {
	objects, err := w.finish(r)
	if err != nil {
		return err
	}
	again := r.Time <= w.opened.UnixMilli()
	left := objects
	if r.Changed {
		if err := w.checkLayout(ctx, r, objects); err != nil {
			return err
		}
	}
	if again {
		if left, err = w.without(ctx, r, objects); err != nil {
			return err
		}
	}
	g, putting := errgroup.WithContext(ctx)
	g.SetLimit(uploadsAtOnce)
	for _, o := range left {
		g.Go(func() error { return w.sink.put(putting, o, again) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if w.sink.cfg.Manifest && len(objects) > 0 {
		if err := w.sink.put(ctx, w.manifest(r, objects), again); err != nil {
			return err
		}
	}
	return w.reset()
}

// convert ends the content of f. Formats that make it of all rows at once need memory for it: no
// more files of a sink have it at a time than there are processors.
func (s *Sink) convert(f *file) error {
	c, ok := f.enc.(format.Converter)
	if !ok {
		return f.out.finish()
	}
	s.converting <- struct{}{}
	defer func() { <-s.converting }()
	return f.out.convert(c)
}

// uploadsAtOnce is how many objects of a flush are on their way at the same time.
const uploadsAtOnce = 8

// mostConverting is how many objects are converted at the same time at most: each needs about as much
// memory as a row group of it has bytes when it is compressed.
const mostConverting = 4

// finish ends the open objects, in the order of their first offsets.
func (w *writer) finish(r record.Range) ([]*object, error) {
	var all []*file
	for _, f := range w.files.open {
		if f.rows > 0 {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b *file) int { return cmp.Compare(a.first, b.first) })
	var objects []*object
	for _, f := range all {
		if err := f.enc.Close(); err != nil {
			return nil, fmt.Errorf("finish an object: %w", err)
		}
		if err := w.sink.convert(f); err != nil {
			return nil, err
		}
		if err := w.bound(); err != nil {
			return nil, err
		}
		folder := f.folder
		if f.timed {
			folder = string(w.part.timed([]byte(folder), r.Time))
		}
		stem, key := w.keys.of(f, folder, r)
		objects = append(objects, &object{key: key, stem: stem, schema: f.schema, body: &f.out.body, size: f.out.body.size(), contentType: w.sink.cfg.ContentType(), first: f.first, last: f.last, rows: f.rows, r: r})
	}
	return objects, nil
}

// Close drops what was not flushed.
func (w *writer) Close() error {
	w.sink.writers.Add(-1)
	return w.spool.close()
}

func (w *writer) reset() error {
	for _, f := range w.files.open {
		if err := f.out.reset(); err != nil {
			return err
		}
	}
	w.files, w.full = newFiles(), false
	return nil
}
