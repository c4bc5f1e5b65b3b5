package testenv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cleanupTimeout limits what happens at the end of a test, whose own context is done then.
const cleanupTimeout = 3 * time.Minute

// SharedPostgres returns the PostgreSQL 15 of the test run.
func SharedPostgres(t testing.TB) *Postgres { t.Helper(); return shared(t).Postgres }

// SharedKafka returns the broker of the test run.
func SharedKafka(t testing.TB) *Kafka { t.Helper(); return shared(t).Kafka }

// SharedClickHouse returns the ClickHouse of the test run.
func SharedClickHouse(t testing.TB) *ClickHouse { t.Helper(); return shared(t).ClickHouse }

// SharedS3 returns the S3 of the test run.
func SharedS3(t testing.TB) *S3 { t.Helper(); return shared(t).S3 }

// SharedRegistry returns the Schema Registry of the test run.
func SharedRegistry(t testing.TB) *Registry {
	t.Helper()
	r := shared(t).Registry
	if r == nil {
		t.Fatal("the servers of this run have no registry: start them anew")
	}
	return r
}

// Database creates a database on the shared server for this test. At the end of the test it
// is dropped, with its replication slots; whoever still uses it is disconnected.
func Database(t testing.TB) (*Postgres, string) {
	t.Helper()
	p, name := SharedPostgres(t), unique(t, "_", 63)
	if err := p.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	cleanup(t, func(ctx context.Context) error { return p.DropDatabase(ctx, name) })
	return p, name
}

// Topic creates a topic on the shared broker for this test, and deletes it at the end.
func Topic(t testing.TB, partitions int) string {
	t.Helper()
	k, name := SharedKafka(t), unique(t, "-", 200)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(t.Context(), int32(partitions), 1, nil, name); err != nil {
		t.Fatalf("create topic %q: %v", name, err)
	}
	cleanup(t, func(ctx context.Context) error {
		_, err := adm.DeleteTopic(ctx, name)
		return err
	})
	return name
}

// ClickHouseDatabase creates a database on the shared server for this test, and drops it at
// the end.
func ClickHouseDatabase(t testing.TB) (*ClickHouse, string) {
	t.Helper()
	c, name := SharedClickHouse(t), unique(t, "_", 63)
	if _, err := c.Query(t.Context(), "CREATE DATABASE `"+name+"`"); err != nil {
		t.Fatal(err)
	}
	cleanup(t, func(ctx context.Context) error {
		_, err := c.Query(ctx, "DROP DATABASE IF EXISTS `"+name+"`")
		return err
	})
	return c, name
}

// Bucket creates a bucket on the shared server for this test. At the end of the test it is
// deleted with what is in it.
func Bucket(t testing.TB) (*S3, string) {
	t.Helper()
	s, name := SharedS3(t), unique(t, "-", 63)
	if _, err := s.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket %q: %v", name, err)
	}
	cleanup(t, func(ctx context.Context) error { return s.deleteBucket(ctx, name) })
	return s, name
}

// OwnPostgres starts a server that this test may stop. It is closed at the end of the test.
func OwnPostgres(t testing.TB, o PostgresOptions) *Postgres {
	t.Helper()
	return own(t, func(ctx context.Context) (*Postgres, error) { return StartPostgres(ctx, "", o) })
}

// OwnKafka starts a broker that this test may kill. It is closed at the end of the test.
func OwnKafka(t testing.TB, o KafkaOptions) *Kafka {
	t.Helper()
	return own(t, func(ctx context.Context) (*Kafka, error) { return StartKafka(ctx, "", o) })
}

// OwnClickHouse starts a server that this test may kill. It is closed at the end of the test.
func OwnClickHouse(t testing.TB, o ClickHouseOptions) *ClickHouse {
	t.Helper()
	return own(t, func(ctx context.Context) (*ClickHouse, error) { return StartClickHouse(ctx, "", o) })
}

// OwnS3 starts a server that this test may kill. It is closed at the end of the test.
func OwnS3(t testing.TB, o S3Options) *S3 {
	t.Helper()
	return own(t, func(ctx context.Context) (*S3, error) { return StartS3(ctx, "", o) })
}

// OwnRegistry starts a registry that this test may stop. It is closed at the end of the test. It
// needs nothing that is installed.
func OwnRegistry(t testing.TB, o RegistryOptions) *Registry {
	t.Helper()
	r, err := StartRegistry(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// server is what own has to know of one.
type server interface {
	Close() error
	tail() string
}

func own[S server](t testing.TB, start func(context.Context) (S, error)) S {
	t.Helper()
	shared(t) // skips or fails where servers are not wanted
	s, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log ends with:\n%s", s.tail())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared returns the servers of the test run. Without them the test skips, or fails if
// RequireEnv says so.
func shared(t testing.TB) *Servers {
	t.Helper()
	s, err := sharedServers()
	if err != nil {
		t.Fatal(err)
	}
	if s == nil {
		const why = "needs servers: run it with make test"
		if os.Getenv(RequireEnv) == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return s
}

// cleanup runs f at the end of the test; its error fails the test.
func cleanup(t testing.TB, f func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := f(ctx); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
}

// unique returns a name made of the test's name and a random number. It has at most limit
// bytes, begins with a letter, and has only small letters, digits and sep, so that it needs
// no quotes anywhere.
func unique(t testing.TB, sep string, limit int) string {
	suffix := fmt.Sprintf("%s%010x", sep, rand.Uint64()>>24)
	var b strings.Builder
	b.WriteString("t")
	for _, r := range strings.ToLower(t.Name()) {
		if b.Len() >= limit-len(suffix) {
			break
		}
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), sep) {
			b.WriteString(sep)
		}
	}
	return strings.TrimRight(b.String(), sep) + suffix
}

// deleteBucket deletes a bucket with its objects and unfinished uploads.
func (s *S3) deleteBucket(ctx context.Context, bucket string) error {
	cl := s.Client()
	uploads := s3.NewListMultipartUploadsPaginator(cl, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			if _, err := cl.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId}); err != nil {
				return err
			}
		}
	}
	objects := s3.NewListObjectsV2Paginator(cl, &s3.ListObjectsV2Input{Bucket: &bucket})
	for objects.HasMorePages() {
		page, err := objects.NextPage(ctx)
		if err != nil {
			return err
		}
		ids := make([]types.ObjectIdentifier, 0, len(page.Contents))
		for _, o := range page.Contents {
			ids = append(ids, types.ObjectIdentifier{Key: o.Key})
		}
		if len(ids) == 0 {
			continue
		}
		if _, err := cl.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}}); err != nil {
			return err
		}
	}
	_, err := cl.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return err
}

func (p *Postgres) tail() string   { return p.process.tail() }
func (k *Kafka) tail() string      { return k.process.tail() }
func (c *ClickHouse) tail() string { return c.process.tail() }
func (s *S3) tail() string         { return s.process.tail() }
