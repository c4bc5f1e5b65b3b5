package s3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"connectd/internal/s3client"
)

// onlyNew is the condition of a write that must not replace an object.
func onlyNew(conditional bool) *string {
	if conditional {
		return aws.String("*")
	}
	return nil
}

// optional is text, or nil when it is empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (s *Sink) writeWhole(ctx context.Context, o *object, conditional bool) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.cfg.Bucket, Key: &o.key, Body: o.body.section(0, o.size), ContentLength: aws.Int64(o.size),
		Metadata: o.metadata(), ContentType: &o.contentType, IfNoneMatch: onlyNew(conditional),
		ACL: types.ObjectCannedACL(s.cfg.ACL), StorageClass: types.StorageClass(s.cfg.Class), Tagging: optional(s.cfg.tags(o)),
		ServerSideEncryption: types.ServerSideEncryption(s.cfg.Encryption), SSEKMSKeyId: optional(s.cfg.KMSKey),
	})
	return err
}

const abortTimeout = 3 * time.Second

// writeParts uploads o in parts. The object appears when the upload is completed; an upload
// that is not completed is aborted, for it would cost room for ever.
func (s *Sink) writeParts(ctx context.Context, o *object, conditional bool) (err error) {
	up, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.cfg.Bucket, Key: &o.key, Metadata: o.metadata(), ContentType: &o.contentType,
		ACL: types.ObjectCannedACL(s.cfg.ACL), StorageClass: types.StorageClass(s.cfg.Class), Tagging: optional(s.cfg.tags(o)),
		ServerSideEncryption: types.ServerSideEncryption(s.cfg.Encryption), SSEKMSKeyId: optional(s.cfg.KMSKey),
		// Named here, because stores refuse the checksums of parts that were not announced.
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err == nil || lost(err) {
			return
		}
		// A cancelled flush still cleans up behind itself.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		_, _ = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: &o.key, UploadId: up.UploadId})
	}()
	var parts []types.CompletedPart
	size, part := o.size, s.cfg.partSize(o.size)
	for at, n := int64(0), int32(1); at < size; at, n = at+part, n+1 {
		done, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &s.cfg.Bucket, Key: &o.key, UploadId: up.UploadId, PartNumber: &n,
			Body: o.body.section(at, min(part, size-at)), ContentLength: aws.Int64(min(part, size-at)),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: done.ETag, PartNumber: aws.Int32(n), ChecksumCRC32: done.ChecksumCRC32})
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.cfg.Bucket, Key: &o.key, UploadId: up.UploadId, IfNoneMatch: onlyNew(conditional),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

// maxParts is how many parts S3 lets an upload have.
const maxParts = 10000

// partSize is s3.part.size, or more where an object of that size would have too many parts.
func (c *Config) partSize(size int64) int64 {
	return max(int64(c.PartSize), (size+maxParts-1)/maxParts)
}

// lost says whether an upload was ended before: by an attempt at its last request whose answer did
// not arrive, or by the partition's next owner.
func lost(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload"
}

// abortOrphans ends the uploads below prefix that a killed process has left unfinished: their parts
// cost room and no list of objects shows them. An upload of an earlier owner that is still alive
// fails, and its rows are in the range that this owner writes.
func (s *Sink) abortOrphans(ctx context.Context, prefix string, own func(key string) bool) error {
	page := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.cfg.Bucket, Prefix: &prefix})
	for page.HasMorePages() {
		list, err := page.NextPage(ctx)
		if code := s3client.Status(err); code == 403 || code == 501 {
			s.log.Warn("unfinished uploads of a killed process stay in the bucket: they may not be listed here; let the bucket's lifecycle rules end them",
				"prefix", prefix, "err", err)
			return nil
		}
		if err != nil {
			return s.explain(fmt.Sprintf("list unfinished uploads below %q in bucket %q", prefix, s.cfg.Bucket), err)
		}
		for _, u := range list.Uploads {
			if !own(*u.Key) {
				continue
			}
			_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: u.Key, UploadId: u.UploadId})
			if err != nil && s3client.Status(err) != 404 {
				return s.explain(fmt.Sprintf("abort the unfinished upload of %q", *u.Key), err)
			}
		}
	}
	return nil
}
