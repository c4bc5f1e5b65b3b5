package s3

import (
	"io"

	"connectd/record"
)

// oneSchema says whether an object holds records of one schema only.
func (s *Sink) oneSchema() bool { return false }

func (s *Sink) extension() string {
	if s.cfg.Compression == "gzip" {
		return ".json.gz"
	}
	return ".json"
}

// contentType leaves Content-Encoding alone: clients would decompress a .gz unasked.
func (s *Sink) contentType() string {
	if s.cfg.Compression == "gzip" {
		return "application/gzip"
	}
	return "application/x-ndjson"
}

func (s *Sink) codec() codec {
	if s.cfg.Compression == "gzip" {
		return &gzipCodec{pool: &s.gzip}
	}
	return nil
}

func (s *Sink) encoder(_ *record.Schema, w io.Writer) (encoder, error) {
	l, err := newLines(s.cfg)
	return &lineEncoder{l, w}, err
}

// lineEncoder writes lines to w.
type lineEncoder struct {
	lines *lines
	w     io.Writer
}

func (l *lineEncoder) Append(b *record.Batch, i int) error {
	line, err := l.lines.append(&b.Records[i])
	if err == nil {
		_, err = l.w.Write(line)
	}
	return err
}

func (l *lineEncoder) Buffered() int { return 0 }
func (l *lineEncoder) Close() error  { return nil }
