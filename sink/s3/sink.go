package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"connectd/connect"
	"connectd/internal/dial"
	"connectd/record"
)

// Sink writes to one bucket.
type Sink struct {
	cfg    *Config
	log    *slog.Logger
	client *s3.Client
}

// New builds the client; nothing is sent yet.
func New(c *Config, e connect.Env) (connect.Sink, error) {
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(c.Region), awsconfig.WithRetryMaxAttempts(c.Retries)}
	if c.AccessKey != "" {
		opts = append(opts, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey.Reveal(), "")))
	}
	cfg, err := awsconfig.LoadDefaultConfig(context.Background(), opts...)
	if err != nil {
		return nil, fmt.Errorf("load the AWS settings: %w", err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return &Sink{cfg: c, log: e.Log, client: client}, nil
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
	w, err := newWriter(s, p)
	if err != nil {
		return nil, connect.Permanent(err)
	}
	if err := w.abortOrphans(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// Close has nothing to end: the client holds no connection that does not end by itself.
func (s *Sink) Close() error { return nil }

// explain says what was being done, and what helps when it is known. What waiting cannot heal
// is permanent.
func (s *Sink) explain(doing string, err error) error {
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
	case strings.Contains(err.Error(), "get credentials"):
		return fmt.Errorf("%s at %s: AWS's default chain finds no credentials (%s); set aws.access.key.id and aws.secret.access.key, or give the process a profile or a role", doing, s.where(), dial.Cause(err))
	default:
		return fmt.Errorf("%s at %s: %s; check store.url, and that the store runs there", doing, s.where(), dial.Cause(err))
	}
	switch api.ErrorCode() {
	case "NoSuchBucket", "NotFound":
		return connect.Permanent(fmt.Errorf("%s at %s: the bucket does not exist; create it, or correct s3.bucket.name", doing, s.where()))
	case "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch": // the second is versitygw's name of the first
		return connect.Permanent(fmt.Errorf("%s at %s: %s; check aws.access.key.id and aws.secret.access.key", doing, s.where(), api.ErrorCode()))
	case "BadRequest", "AuthorizationHeaderMalformed", "PermanentRedirect", "MovedPermanently":
		return connect.Permanent(fmt.Errorf("%s at %s: %s; is s3.region (%s) the bucket's region?", doing, s.where(), api.ErrorCode(), s.cfg.Region))
	case "AccessDenied", "Forbidden":
		return connect.Permanent(fmt.Errorf("%s at %s: access denied; the key needs s3:ListBucket, s3:PutObject, s3:GetObject and s3:AbortMultipartUpload on the bucket", doing, s.where()))
	}
	return fmt.Errorf("%s at %s: %s: %s", doing, s.where(), api.ErrorCode(), api.ErrorMessage())
}

func (s *Sink) where() string {
	if s.cfg.Endpoint != "" {
		return s.cfg.Endpoint
	}
	return "AWS region " + s.cfg.Region
}

// status is the HTTP status of an S3 error, or 0.
func status(err error) int {
	var r interface{ HTTPStatusCode() int }
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

// taken says whether a conditional write found an object under its key.
func taken(err error) bool { return status(err) == http.StatusPreconditionFailed }
