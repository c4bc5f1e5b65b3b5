package s3

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/internal/s3client"
	"connectd/record"
)

// object is one finished object on its way to the bucket.
type object struct {
	key  string
	body []byte
	rows int
	r    record.Range
}

const intentKey = "connectd-intent" // the flush that wrote an object, in its metadata

func (o *object) metadata() map[string]string {
	return map[string]string{
		"connectd-start": strconv.FormatInt(o.r.Start, 10),
		"connectd-end":   strconv.FormatInt(o.r.End, 10),
		"connectd-count": strconv.Itoa(o.rows),
		intentKey:        o.r.ID,
	}
}

// put makes o durable. An object that the same flush has left under the key is kept: a crash
// may have come between the write and the commit, and the topic may have lost records since.
func (s *Sink) put(ctx context.Context, o *object) error {
	fault.Point("sink.writing")
	err := s.write(ctx, o, s.cfg.Conditional)
	if s.cfg.Conditional && s3client.Status(err) == 501 {
		// The store does not know conditional writes.
		err = s.write(ctx, o, false)
	}
	if !taken(err) {
		return s.finish(o, err)
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: &o.key})
	if err != nil {
		return s.finish(o, err)
	}
	if head.Metadata[intentKey] == o.r.ID {
		return nil
	}
	switch s.cfg.IfExists {
	case "skip":
		s.log.Warn("object of another flush kept", "key", o.key, "topic", o.r.Partition.Topic, "partition", o.r.Partition.ID, "offset", o.r.Start)
		return nil
	case "fail":
		return connect.Permanent(fmt.Errorf("put object %q: another flush has left an object there; move it away, or set s3.if.exists to overwrite or skip", o.key))
	}
	return s.finish(o, s.write(ctx, o, false))
}

func (s *Sink) finish(o *object, err error) error {
	if err == nil {
		return nil
	}
	return s.explain(fmt.Sprintf("put object %q into bucket %q", o.key, s.cfg.Bucket), err)
}

// write puts o in one request, or in parts when it is larger than one.
func (s *Sink) write(ctx context.Context, o *object, conditional bool) error {
	var ifNone *string
	if conditional {
		ifNone = aws.String("*")
	}
	if len(o.body) > int(s.cfg.PartSize) {
		return s.writeParts(ctx, o, ifNone)
	}
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.cfg.Bucket, Key: &o.key, Body: bytes.NewReader(o.body),
		Metadata: o.metadata(), ContentType: s.contentType(), IfNoneMatch: ifNone,
	})
	return err
}

// writeParts uploads o in parts. The object appears when the upload is completed; an upload
// that is not completed is aborted, for it would cost room for ever.
func (s *Sink) writeParts(ctx context.Context, o *object, ifNone *string) (err error) {
	up, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.cfg.Bucket, Key: &o.key, Metadata: o.metadata(), ContentType: s.contentType(),
		// Named here, because stores refuse the checksums of parts that were not announced.
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// A cancelled flush still cleans up behind itself.
			_, _ = s.client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{
				Bucket: &s.cfg.Bucket, Key: &o.key, UploadId: up.UploadId})
		}
	}()
	var parts []types.CompletedPart
	for body, n := o.body, int32(1); len(body) > 0; n++ {
		part := body[:min(len(body), int(s.cfg.PartSize))]
		body = body[len(part):]
		done, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &s.cfg.Bucket, Key: &o.key, UploadId: up.UploadId, PartNumber: &n, Body: bytes.NewReader(part),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: done.ETag, PartNumber: aws.Int32(n), ChecksumCRC32: done.ChecksumCRC32})
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.cfg.Bucket, Key: &o.key, UploadId: up.UploadId, IfNoneMatch: ifNone,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

// contentType leaves Content-Encoding alone: clients would decompress a .gz unasked.
func (s *Sink) contentType() *string {
	if s.cfg.Compression == "gzip" {
		return aws.String("application/gzip")
	}
	return aws.String("application/x-ndjson")
}
