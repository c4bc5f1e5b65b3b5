package testenv

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

func TestS3(t *testing.T) {
	t.Parallel()
	s := OwnS3(t, S3Options{})
	cl := s.Client()
	bucket := "orders"
	if _, err := cl.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/1", "a/2"} {
		if err := putObject(t, cl, bucket, key, "body of "+key); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		if got := getObject(t, cl, bucket, key); got != "body of "+key {
			t.Errorf("%s after restart: got %q", key, got)
		}
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := dial(t.Context(), strings.TrimPrefix(s.Endpoint, "http://")); err == nil {
		t.Error("a killed server answers")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	proc := s.process
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	gone(t, proc)
}

// TestBucket shows that a bucket goes with objects and unfinished uploads in it, and that
// the server checks conditions and keys.
func TestBucket(t *testing.T) {
	s := SharedS3(t)
	var bucket string
	t.Run("use", func(t *testing.T) {
		s, bucket = Bucket(t)
		cl := s.Client()
		if err := putObject(t, cl, bucket, "dir/key", "one"); err != nil {
			t.Fatal(err)
		}
		if err := putObject(t, cl, bucket, "dir/key", "two"); code(err) != "PreconditionFailed" {
			t.Errorf("second put with If-None-Match: got %v, want PreconditionFailed", err)
		}
		if got := getObject(t, cl, bucket, "dir/key"); got != "one" {
			t.Errorf("got %q, want one", got)
		}
		if _, err := cl.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("torn")}); err != nil {
			t.Fatal(err)
		}
		wrong := *s
		wrong.SecretKey = "wrong"
		if err := putObject(t, wrong.Client(), bucket, "k", ""); code(err) != "SignatureDoesNotMatch" {
			t.Errorf("wrong secret: got %v, want SignatureDoesNotMatch", err)
		}
	})
	out, err := s.Client().ListBuckets(context.Background(), &s3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range out.Buckets {
		if *b.Name == bucket {
			t.Errorf("bucket %q is still there", bucket)
		}
	}
}

// putObject writes an object that must not exist yet.
func putObject(t *testing.T, cl *s3.Client, bucket, key, body string) error {
	t.Helper()
	_, err := cl.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: strings.NewReader(body), IfNoneMatch: aws.String("*"),
	})
	return err
}

func getObject(t *testing.T, cl *s3.Client, bucket, key string) string {
	t.Helper()
	out, err := cl.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
