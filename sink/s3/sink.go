package s3

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/connect"
	"connectd/record"
	"connectd/sink/s3/format"
)

// Sink writes to one bucket.
type Sink struct {
	cfg    *Config
	log    *slog.Logger
	client *s3.Client

	aiven       bool // named by the class of Aiven's connector
	compressors *format.Compressors
	writers     atomic.Int32  // that are open
	converting  chan struct{} // see convert
}

// New builds the client; nothing is sent yet. Aiven's class means Aiven's names of objects.
func New(c *Config, e connect.Env) (connect.Sink, error) {
	aiven := strings.Contains(strings.ToLower(e.Class), "aiven")
	if aiven {
		c = c.named()
	}
	client, err := c.Client(c.Retries)
	if err != nil {
		return nil, err
	}
	return &Sink{cfg: c, log: e.Log, client: client, aiven: aiven, compressors: format.NewCompressors(&c.Config),
		converting: make(chan struct{}, min(runtime.GOMAXPROCS(0), mostConverting))}, nil
}

// Check looks whether the bucket is there and may be used.
func (s *Sink) Check(ctx context.Context) error {
	// Not HeadBucket, whose answer has no body and so does not say what is wrong.
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, MaxKeys: aws.Int32(1)})
	if err != nil {
		return s.explain(fmt.Sprintf("look for bucket %q", s.cfg.Bucket), err)
	}
	return nil
}

// Open starts the objects of one partition.
func (s *Sink) Open(ctx context.Context, p record.Partition) (connect.Writer, error) {
	w := newWriter(s, p)
	if err := s.abortOrphans(ctx, w.keys.prefix(), w.keys.own); err != nil {
		_ = w.Close()
		return nil, err
	}
	return w, nil
}

// Close has nothing to end: the client holds no connection that does not end by itself.
func (s *Sink) Close() error { return nil }

// explain says what was being done, and what helps when it is known.
func (s *Sink) explain(doing string, err error) error {
	return s.cfg.Explain(doing, err, "s3.bucket.name", "s3:ListBucket, s3:PutObject, s3:GetObject and s3:AbortMultipartUpload")
}
