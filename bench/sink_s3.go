package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/klauspost/compress/gzip"
)

var s3Sink = sink{"topic to S3, JSON lines with gzip", func(ctx context.Context, e *engines, table string) (string, func() (int, error), error) {
	client := e.s3.Client()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &table}); err != nil {
		return "", nil, err
	}
	seen := map[string]int{} // rows of each object, from its metadata
	count := func() (int, error) {
		list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &table})
		if err != nil {
			return 0, err
		}
		sum := 0
		for _, o := range list.Contents {
			if _, ok := seen[*o.Key]; !ok {
				head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &table, Key: o.Key})
				if err != nil {
					return 0, err
				}
				if seen[*o.Key], err = strconv.Atoi(head.Metadata["connectd-count"]); err != nil {
					return 0, err
				}
			}
			sum += seen[*o.Key]
		}
		return sum, nil
	}
	return fmt.Sprintf(`
  %[1]s:
    connector.class: s3-sink
    topics: %[1]s
    s3.bucket.name: %[1]s
    s3.region: us-east-1
    store.url: %[2]s
    aws.access.key.id: %[3]s
    aws.secret.access.key: %[4]s
    flush.size: 50000
    rotate.schedule.interval.ms: 300
`, table, e.s3.Endpoint, e.s3.AccessKey, e.s3.SecretKey) + jsonLines, count, nil
}}

// measureS3 compares the sink with klauspost's gzip and uploads in parts, of lines that are ready in
// memory.
func measureS3(ctx context.Context, e *engines, o options) ([]result, error) {
	results, err := measureSink(s3Sink)(ctx, e, o)
	if err != nil {
		return nil, err
	}
	results[0].Bare, err = bareS3(ctx, e, o.rows)
	results[0].BareBy = "klauspost gzip, multipart upload"
	return results, err
}

// bareS3 is the lines a second into one object, one part after the other.
func bareS3(ctx context.Context, e *engines, n int) (float64, error) {
	const part = 5 << 20
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = append(flat(i), '\n')
	}
	client, bucket := e.s3.Client(), aws.String(e.name("bare"))
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return 0, err
	}
	began := time.Now()
	up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("lines.gz"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return 0, err
	}
	var parts []types.CompletedPart
	var body bytes.Buffer
	send := func() error {
		number := aws.Int32(int32(len(parts) + 1))
		done, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: number,
			Body: bytes.NewReader(body.Bytes()), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: done.ETag, PartNumber: number, ChecksumCRC32: done.ChecksumCRC32})
		body.Reset()
		return nil
	}
	zip := gzip.NewWriter(&body)
	for _, line := range lines {
		if _, err := zip.Write(line); err != nil {
			return 0, err
		}
		if body.Len() >= part {
			if err := send(); err != nil {
				return 0, err
			}
		}
	}
	if err := zip.Close(); err != nil {
		return 0, err
	}
	if err := send(); err != nil {
		return 0, err
	}
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: up.Key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return float64(n) / time.Since(began).Seconds(), err
}
