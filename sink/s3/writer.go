package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"

	"connectd/internal/s3client"
	"connectd/record"
)

// writer gathers one partition's lines into the one object of the next flush.
type writer struct {
	sink *Sink
	p    record.Partition
	line *lines
	body bytes.Buffer
	out  io.Writer // body, or the compressor in front of it
	gzip *gzip.Writer
	rows int
}

func newWriter(s *Sink, p record.Partition) (*writer, error) {
	l, err := newLines(s.cfg)
	if err != nil {
		return nil, err
	}
	w := &writer{sink: s, p: p, line: l}
	w.out = &w.body
	if s.cfg.Compression == "gzip" {
		if w.gzip, err = gzip.NewWriterLevel(&w.body, s.cfg.Level); err != nil {
			return nil, fmt.Errorf("s3.compression.level %d: %w", s.cfg.Level, err)
		}
		w.out = w.gzip
	}
	return w, nil
}

// Write appends the batch's records to the open object.
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
		line, err := w.line.append(r)
		if err != nil {
			b.Fail(i, err)
			continue
		}
		if _, err := w.out.Write(line); err != nil {
			return err // of the compressor: it writes to memory
		}
		w.rows++
	}
	return nil
}

// Flush puts the object. A range without rows leaves no object behind.
func (w *writer) Flush(ctx context.Context, r record.Range) error {
	if w.rows == 0 {
		return nil
	}
	if w.gzip != nil {
		if err := w.gzip.Close(); err != nil {
			return fmt.Errorf("finish gzip: %w", err)
		}
	}
	err := w.sink.put(ctx, &object{key: w.key(r.Start), body: w.body.Bytes(), rows: w.rows, r: r})
	if err != nil {
		return err
	}
	w.reset()
	return nil
}

// Close drops what was not flushed.
func (w *writer) Close() error {
	w.reset()
	return nil
}

func (w *writer) reset() {
	w.rows = 0
	w.body.Reset()
	if w.gzip != nil {
		w.gzip.Reset(&w.body)
	}
}

// key is the incumbent's: topics/orders/partition=0/orders+0+0000000042.json.gz.
func (w *writer) key(start int64) string {
	c := w.sink.cfg
	name := w.p.Topic + c.FileDelim + strconv.Itoa(int(w.p.ID)) + c.FileDelim + fmt.Sprintf("%0*d", c.Pad, start) + ".json"
	if c.Compression == "gzip" {
		name += ".gz"
	}
	return w.prefix() + name
}

// prefix is the folder of the partition's objects. Nobody else writes there.
func (w *writer) prefix() string {
	c := w.sink.cfg
	dir := ""
	if c.Dir != "" {
		dir = c.Dir + c.Delim
	}
	return dir + w.p.Topic + c.Delim + "partition=" + strconv.Itoa(int(w.p.ID)) + c.Delim
}

// abortOrphans ends the uploads that a killed process has left unfinished: their parts cost
// room and no list of objects shows them. An upload of an earlier owner that is still alive
// fails, and its rows are in the range that this owner writes.
func (w *writer) abortOrphans(ctx context.Context) error {
	prefix := w.prefix()
	page := s3.NewListMultipartUploadsPaginator(w.sink.client, &s3.ListMultipartUploadsInput{Bucket: &w.sink.cfg.Bucket, Prefix: &prefix})
	for page.HasMorePages() {
		list, err := page.NextPage(ctx)
		if code := s3client.Status(err); code == 403 || code == 501 {
			w.sink.log.Warn("unfinished uploads of a killed process stay in the bucket: they may not be listed here; let the bucket's lifecycle rules end them",
				"topic", w.p.Topic, "partition", w.p.ID, "err", err)
			return nil
		}
		if err != nil {
			return w.sink.explain(fmt.Sprintf("list unfinished uploads below %q in bucket %q", prefix, w.sink.cfg.Bucket), err)
		}
		for _, u := range list.Uploads {
			_, err := w.sink.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: &w.sink.cfg.Bucket, Key: u.Key, UploadId: u.UploadId})
			if err != nil && s3client.Status(err) != 404 {
				return w.sink.explain(fmt.Sprintf("abort the unfinished upload of %q", *u.Key), err)
			}
		}
	}
	return nil
}
