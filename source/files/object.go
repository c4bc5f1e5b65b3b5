package files

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// object is an open object. It is read as a stream; a connection that breaks is opened again
// where it broke. Every request names the ETag, so that what is read is one object.
type object struct {
	bucket *bucket
	entry  entry
	at     int64 // of the next Read

	body   io.ReadCloser // of the stream; nil when there is none
	bodyAt int64
	begin  []byte // the first bytes, when they were looked at
}

const (
	objectAttempts = 6                      // without one byte in between
	objectPause    = 100 * time.Millisecond // before the second; it doubles
	objectBegin    = 64                     // bytes that are kept of the begin
)

func (o *object) stat() (entry, error) { return o.entry, nil }

func (o *object) Read(p []byte) (int, error) {
	if o.at < int64(len(o.begin)) {
		n := copy(p, o.begin[o.at:])
		o.at += int64(n)
		return n, nil
	}
	n, err := o.stream(p, o.at)
	o.at += int64(n)
	return n, err
}

// stream reads at a position, which is mostly where the stream is.
func (o *object) stream(p []byte, at int64) (int, error) {
	if at >= o.entry.size {
		return 0, io.EOF
	}
	if o.body != nil && o.bodyAt != at {
		o.end()
	}
	var why error
	for attempt := range objectAttempts {
		if attempt > 0 {
			if err := o.pause(attempt); err != nil {
				return 0, err
			}
		}
		if o.body == nil {
			body, err := o.get(at, o.entry.size)
			if err != nil {
				return 0, err // the client has tried it several times
			}
			o.body, o.bodyAt = body, at
		}
		n, err := o.body.Read(p)
		if n > 0 {
			o.bodyAt += int64(n)
			return n, nil // an error comes again
		}
		if why = err; err != nil {
			o.end()
		}
	}
	return 0, &unreachable{o.bucket.explain(fmt.Sprintf("read %q at %d", o.entry.path, at), brokenOff(why))}
}

// brokenOff is the error of a stream that ends before its object does.
func brokenOff(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (o *object) pause(attempt int) error {
	wait := time.NewTimer(objectPause << (attempt - 1))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-o.bucket.ctx.Done():
		return o.bucket.ctx.Err()
	}
}

// get asks for the bytes from from to before to.
func (o *object) get(from, to int64) (io.ReadCloser, error) {
	name, key := split(o.entry.path)
	got, err := o.bucket.client.GetObject(o.bucket.ctx, &s3.GetObjectInput{Bucket: &name, Key: &key, Range: rangeOf(from, to), IfMatch: &o.entry.etag},
		func(s *s3.Options) { s.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired }) // a range has none
	if err != nil {
		return nil, o.bucket.refused("read", o.entry.path, err)
	}
	return got.Body, nil
}

// ReadAt reads by a request of its own. The begin of an object is taken from the stream: it is
// looked at before it is read.
func (o *object) ReadAt(p []byte, at int64) (int, error) {
	to := min(at+int64(len(p)), o.entry.size)
	if at >= to {
		return 0, io.EOF
	}
	if at == 0 && to <= objectBegin {
		if err := o.fillBegin(); err != nil {
			return 0, err
		}
		return ended(copy(p, o.begin), len(p))
	}
	read := 0
	for attempt := range objectAttempts {
		if attempt > 0 {
			if err := o.pause(attempt); err != nil {
				return read, err
			}
		}
		body, err := o.get(at+int64(read), to)
		if err != nil {
			return read, err
		}
		n, err := io.ReadFull(body, p[read:to-at])
		_ = body.Close() // it was read
		if read += n; err == nil {
			return ended(read, len(p))
		}
		if attempt == objectAttempts-1 {
			return read, &unreachable{o.bucket.explain(fmt.Sprintf("read %q at %d", o.entry.path, at), brokenOff(err))}
		}
	}
	return read, nil
}

// ended adds io.EOF to fewer bytes than were wanted, as io.ReaderAt has it.
func ended(n, want int) (int, error) {
	if n < want {
		return n, io.EOF
	}
	return n, nil
}

func (o *object) fillBegin() error {
	want := min(objectBegin, o.entry.size)
	for int64(len(o.begin)) < want {
		var p [objectBegin]byte
		n, err := o.stream(p[:want-int64(len(o.begin))], int64(len(o.begin)))
		o.begin = append(o.begin, p[:n]...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Seek moves the next Read; what it needs is asked for then.
func (o *object) Seek(at int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		at += o.at
	case io.SeekEnd:
		at += o.entry.size
	}
	if at < 0 {
		return 0, fmt.Errorf("seek in %q to %d", o.entry.path, at)
	}
	o.at = at
	return at, nil
}

func (o *object) end() {
	if o.body != nil {
		_ = o.body.Close() // only read
		o.body = nil
	}
}

// Close ends the stream.
func (o *object) Close() error {
	o.end()
	return nil
}
