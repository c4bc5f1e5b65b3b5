// Package s3client makes the client of an S3-compatible store from a connector's settings, and
// says in one sentence what the store has refused. The S3 sink and the files source share it, so
// that one block of settings works for both.
package s3client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"connectd/config"
	"connectd/connect"
	"connectd/internal/dial"
)

// Connection says where a store is and who asks it. The names are those of Confluent's, Aiven's
// and FilePulse's connectors. Connectors embed it in their settings.
type Connection struct {
	Region    string        `yaml:"s3.region" alias:"aws.s3.region" doc:"AWS region, or any name that an S3-compatible store expects"`
	Endpoint  string        `yaml:"store.url" alias:"aws.s3.endpoint,aws.s3.endpoint.config,aws.s3.service.endpoint" doc:"URL of an S3-compatible store; empty for AWS"`
	PathStyle bool          `yaml:"s3.path.style.access.enabled" alias:"aws.s3.path.style.access.enabled" doc:"put the bucket into the path of a request and not into the host name"`
	AccessKey string        `yaml:"aws.access.key.id" doc:"access key; empty uses AWS's default chain (environment, profile, role)"`
	SecretKey config.Secret `yaml:"aws.secret.access.key" doc:"secret of the access key"`
}

// ConnectionDefaults are the incumbents'.
func ConnectionDefaults() Connection { return Connection{Region: "us-west-2", PathStyle: true} }

// ValidateConnection checks the combination.
func (c *Connection) ValidateConnection(r *config.Report) {
	if (c.AccessKey == "") != (c.SecretKey == "") {
		r.Errorf("aws.access.key.id", "needs aws.secret.access.key beside it; set both, or none for AWS's default chain")
	}
}

// Client makes a client that tries a request so many times. Nothing is sent yet. It needs no
// close: its idle connections end by themselves.
func (c *Connection) Client(attempts int) (*s3.Client, error) {
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithRegion(c.Region), awsconfig.WithRetryMaxAttempts(attempts)}
	if c.AccessKey != "" {
		opts = append(opts, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey.Reveal(), "")))
	}
	cfg, err := awsconfig.LoadDefaultConfig(context.Background(), opts...)
	if err != nil {
		return nil, fmt.Errorf("load the AWS settings: %w", err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	}), nil
}

// Explain says what was being done, and what helps when it is known. What waiting cannot heal
// is permanent. bucketKey is the setting that names the bucket, and rights are what the key needs.
func (c *Connection) Explain(doing string, err error, bucketKey, rights string) error {
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
	case strings.Contains(err.Error(), "get credentials"):
		return fmt.Errorf("%s at %s: AWS's default chain finds no credentials (%s); set aws.access.key.id and aws.secret.access.key, or give the process a profile or a role", doing, c.where(), dial.Cause(err))
	default:
		return fmt.Errorf("%s at %s: %s; check store.url, and that the store runs there", doing, c.where(), dial.Cause(err))
	}
	switch api.ErrorCode() {
	case "NoSuchBucket", "NotFound":
		return connect.Permanent(fmt.Errorf("%s at %s: the bucket does not exist; create it, or correct %s", doing, c.where(), bucketKey))
	case "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch": // the second is versitygw's name of the first
		return connect.Permanent(fmt.Errorf("%s at %s: %s; check aws.access.key.id and aws.secret.access.key", doing, c.where(), api.ErrorCode()))
	case "BadRequest", "AuthorizationHeaderMalformed", "PermanentRedirect", "MovedPermanently":
		return connect.Permanent(fmt.Errorf("%s at %s: %s; is s3.region (%s) the bucket's region?", doing, c.where(), api.ErrorCode(), c.Region))
	case "AccessDenied", "Forbidden":
		return connect.Permanent(fmt.Errorf("%s at %s: access denied; the key needs %s on the bucket", doing, c.where(), rights))
	}
	return fmt.Errorf("%s at %s: %s: %s", doing, c.where(), api.ErrorCode(), api.ErrorMessage())
}

func (c *Connection) where() string {
	if c.Endpoint != "" {
		return c.Endpoint
	}
	return "AWS region " + c.Region
}

// Status is the HTTP status of a store's answer, or 0.
func Status(err error) int {
	var r interface{ HTTPStatusCode() int }
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}
