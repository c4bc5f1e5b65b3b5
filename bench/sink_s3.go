package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
)

// objectRows are the records of an object. Partitions get a multiple of them, so that the last objects
// are finished by their number too: what a rule by the clock adds is a wait without work, and part of
// the figure by chance. With -rows that are no multiple of 100,000 the rest waits for ten seconds.
const objectRows = 25_000

// s3Sink writes to S3 in the format that the settings more say.
func s3Sink(name, more string) sink {
	return sink{name, func(ctx context.Context, e *engines, table string) (string, func() (int, error), error) {
		return prepareS3(ctx, e, table, more)
	}}
}

func prepareS3(ctx context.Context, e *engines, table, more string) (string, func() (int, error), error) {
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
    flush.size: %[5]d
    rotate.interval.ms: 10000
`, table, e.s3.Endpoint, e.s3.AccessKey, e.s3.SecretKey, objectRows) + more + jsonLines, count, nil
}

// measureS3 compares the sink with klauspost's gzip and uploads in parts, of lines that are ready in
// memory.
func measureS3(ctx context.Context, e *engines, o options) ([]result, error) {
	results, err := measureSink(s3Sink("topic to S3, JSON lines with gzip", ""))(ctx, e, o)
	if err != nil {
		return nil, err
	}
	lines := make([][]byte, o.rows)
	for i := range lines {
		lines[i] = append(flat(i), '\n')
	}
	results[0].BareBy = "klauspost gzip, multipart upload"
	results[0].Bare, err = bareS3(ctx, e, o.rows, func(out io.Writer) error {
		zip := gzip.NewWriter(out)
		for _, line := range lines {
			if _, err := zip.Write(line); err != nil {
				return err
			}
		}
		return zip.Close()
	})
	return results, err
}

// flatRow is what flat makes, in Parquet's types.
type flatRow struct {
	ID        int64   `json:"id" parquet:"id"`
	UserID    int64   `json:"user_id" parquet:"user_id"`
	SessionID int64   `json:"session_id" parquet:"session_id"`
	Quantity  int32   `json:"quantity" parquet:"quantity"`
	Status    int32   `json:"status" parquet:"status"`
	Price     float64 `json:"price" parquet:"price"`
	Kind      string  `json:"kind" parquet:"kind"`
	City      string  `json:"city" parquet:"city"`
	Agent     string  `json:"agent" parquet:"agent"`
	URL       string  `json:"url" parquet:"url"`
}

// measureParquet compares the sink with parquet-go and uploads in parts, of rows that are ready in
// memory. The topic's JSON has no schema, so that the sink has to find the columns too.
func measureParquet(ctx context.Context, e *engines, o options) ([]result, error) {
	results, err := measureSink(s3Sink("topic to S3, Parquet with zstd", "    format.class: parquet\n    parquet.codec: zstd\n"))(ctx, e, o)
	if err != nil {
		return nil, err
	}
	rows := make([]flatRow, o.rows)
	for i := range rows {
		if err := json.Unmarshal(flat(i), &rows[i]); err != nil {
			return nil, err
		}
	}
	results[0].BareBy = "parquet-go zstd, multipart upload"
	results[0].Bare, err = bareS3(ctx, e, o.rows, func(out io.Writer) error {
		file := parquet.NewGenericWriter[flatRow](out, parquet.Compression(&parquet.Zstd))
		for part := range slices.Chunk(rows, 1000) {
			if _, err := file.Write(part); err != nil {
				return err
			}
		}
		return file.Close()
	})
	return results, err
}

// bareS3 is the rows a second of write into one object, one part after the other.
func bareS3(ctx context.Context, e *engines, n int, write func(io.Writer) error) (float64, error) {
	client, bucket := e.s3.Client(), aws.String(e.name("bare"))
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return 0, err
	}
	began := time.Now()
	up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("object"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return 0, err
	}
	var done []types.CompletedPart
	out := &parts{send: func(part []byte) error {
		number := aws.Int32(int32(len(done) + 1))
		p, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: number,
			Body: bytes.NewReader(part), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err == nil {
			done = append(done, types.CompletedPart{ETag: p.ETag, PartNumber: number, ChecksumCRC32: p.ChecksumCRC32})
		}
		return err
	}}
	if err := write(out); err != nil {
		return 0, err
	}
	if err := out.send(out.body.Bytes()); err != nil {
		return 0, err
	}
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: up.Key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	return float64(n) / time.Since(began).Seconds(), err
}

// parts sends what is written to it, whenever there is enough for a part.
type parts struct {
	send func(part []byte) error
	body bytes.Buffer
}

// Write sends a part when it has one.
func (p *parts) Write(data []byte) (int, error) {
	const size = 5 << 20
	p.body.Write(data)
	if p.body.Len() < size {
		return len(data), nil
	}
	if err := p.send(p.body.Bytes()); err != nil {
		return 0, err
	}
	p.body.Reset()
	return len(data), nil
}
