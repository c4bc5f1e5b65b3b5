package s3

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/internal/s3client"
	"connectd/record"
)

// object is one finished object on its way to the bucket.
type object struct {
	key, stem   string // stem: what comes before the offset, see keys
	schema      string // fingerprint in hex; empty where an object takes any
	body        *buffer
	size        int64
	contentType string
	first, last int64
	rows        int
	r           record.Range
}

// Names in an object's metadata.
const (
	intentKey = "connectd-intent" // the flush that wrote it
	schemaKey = "connectd-schema" // tells objects of one flush and folder apart
	countKey  = "connectd-count"
)

func (o *object) metadata() map[string]string {
	m := map[string]string{
		"connectd-start": strconv.FormatInt(o.r.Start, 10),
		"connectd-end":   strconv.FormatInt(o.r.End, 10),
		countKey:         strconv.Itoa(o.rows),
		intentKey:        o.r.ID,
	}
	if o.schema != "" {
		m[schemaKey] = o.schema
	}
	return m
}

// put makes o durable. An object that the same flush has left under the key is kept: a crash may
// have come between the write and the commit, and the topic may have lost records since. again says
// that the flush has perhaps been tried before.
func (s *Sink) put(ctx context.Context, o *object, again bool) error {
	fault.Point("sink.writing")
	if again {
		if meta, err := s.metadataOf(ctx, o.key); err == nil && meta[intentKey] == o.r.ID {
			return nil
		}
		// Whatever else is there, or is wrong: the write says so.
	}
	err := s.write(ctx, o, s.cfg.Conditional)
	if s.cfg.Conditional && s3client.Status(err) == http.StatusNotImplemented {
		// The store does not know conditional writes.
		err = s.write(ctx, o, false)
	}
	if lost(err) || taken(err) {
		return s.settle(ctx, o, err)
	}
	return s.finish(o, err)
}

// settle looks what is under o's key after a write that found something there, or whose answer to
// an earlier attempt was lost.
func (s *Sink) settle(ctx context.Context, o *object, cause error) error {
	meta, err := s.metadataOf(ctx, o.key)
	switch {
	case s3client.Status(err) == http.StatusNotFound:
		return s.finish(o, cause) // deleted meanwhile: the flush is tried again
	case err != nil:
		return s.finish(o, err)
	case meta[intentKey] == o.r.ID:
		return nil
	case lost(cause):
		return s.finish(o, cause)
	}
	switch s.cfg.IfExists {
	case "skip":
		s.log.Warn("object of another flush kept", "key", o.key, "topic", o.r.Partition.Topic, "partition", o.r.Partition.ID, "offset", o.r.Start)
		return nil
	case "fail":
		return connect.Permanent(fmt.Errorf("put object %q: another flush has left an object there; move it away, or set s3.if.exists to overwrite or skip", o.key))
	}
	s.log.Warn("object of another flush replaced", "key", o.key, "topic", o.r.Partition.Topic, "partition", o.r.Partition.ID, "offset", o.r.Start)
	return s.finish(o, s.write(ctx, o, false))
}

// metadataOf is what the object under key says about itself.
func (s *Sink) metadataOf(ctx context.Context, key string) (map[string]string, error) {
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return head.Metadata, nil
}

func (s *Sink) finish(o *object, err error) error {
	if err == nil {
		return nil
	}
	return s.explain(fmt.Sprintf("put object %q into bucket %q", o.key, s.cfg.Bucket), err)
}

// write puts o in one request, or in parts when it is larger than one. A write that meets another
// one under the same key is tried again, as often as a request is.
func (s *Sink) write(ctx context.Context, o *object, conditional bool) (err error) {
	for try := 1; ; try++ {
		if o.size > int64(s.cfg.PartSize) {
			err = s.writeParts(ctx, o, conditional)
		} else {
			err = s.writeWhole(ctx, o, conditional)
		}
		if s3client.Status(err) != http.StatusConflict || try >= s.cfg.Retries {
			return err
		}
		select {
		case <-time.After(s.cfg.Backoff):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// taken says whether a conditional write found an object under its key.
func taken(err error) bool { return s3client.Status(err) == http.StatusPreconditionFailed }
