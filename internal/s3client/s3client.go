// Package s3client makes the client of an S3-compatible store from a connector's settings, and
// says in one sentence what the store has refused. The S3 sink and the files source share it, so
// that one block of settings works for both.
package s3client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"connectd/config"
	"connectd/connect"
	"connectd/internal/dial"
)

// Connection says where a store is and who asks it. The names are those of Confluent's, Aiven's
// and FilePulse's connectors. Connectors embed it in their settings.
type Connection struct {
	Region    string `yaml:"s3.region" alias:"aws.s3.region" doc:"AWS region, or any name that an S3-compatible store expects"`
	Endpoint  string `yaml:"store.url" alias:"aws.s3.endpoint,aws.s3.endpoint.config,aws.s3.service.endpoint" doc:"URL of an S3-compatible store; empty for AWS"`
	PathStyle bool   `yaml:"s3.path.style.access.enabled" alias:"aws.s3.path.style.access.enabled" doc:"put the bucket into the path of a request and not into the host name"`
	Credentials
	Proxy         string        `yaml:"s3.proxy.url" doc:"URL of a proxy for the requests to the store; empty takes HTTP_PROXY, HTTPS_PROXY and NO_PROXY from the environment"`
	ProxyUser     string        `yaml:"s3.proxy.user" doc:"user at the proxy"`
	ProxyPassword config.Secret `yaml:"s3.proxy.password" doc:"password at the proxy"`
	Backoff       time.Duration `yaml:"s3.retry.backoff.ms" alias:"aws.s3.backoff.delay.ms" doc:"pause before a request is tried again; it doubles with each attempt, up to s3.retry.backoff.max.ms"`
	BackoffMax    time.Duration `yaml:"s3.retry.backoff.max.ms" alias:"aws.s3.backoff.max.delay.ms" doc:"longest pause between two attempts at a request"`
}

// ConnectionDefaults are the incumbents'.
func ConnectionDefaults() Connection {
	return Connection{Region: "us-west-2", PathStyle: true, Credentials: credentialDefaults(), Backoff: 200 * time.Millisecond, BackoffMax: 20 * time.Second}
}

// ValidateConnection checks the combination.
func (c *Connection) ValidateConnection(r *config.Report) {
	c.Credentials.validate(r)
	if _, err := c.proxy(); err != nil {
		r.Errorf("s3.proxy.url", "%v", err)
	}
	if c.Backoff < 0 || c.BackoffMax < c.Backoff {
		r.Errorf("s3.retry.backoff.ms", "%v is out of range; write 0 to s3.retry.backoff.max.ms (%v)", c.Backoff, c.BackoffMax)
	}
}

// Client makes a client that tries a request so many times. Nothing is sent yet. It needs no
// close: its idle connections end by themselves.
func (c *Connection) Client(attempts int) (*s3.Client, error) {
	opts := append(c.Credentials.options(), awsconfig.WithRegion(c.Region), awsconfig.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.Backoff = attempts, c.BackoffMax, retry.BackoffDelayerFunc(c.pause)
			// Not one of AWS, but of others that limit requests.
			o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusTooManyRequests: {}}})
		})
	}))
	if proxy, _ := c.proxy(); proxy != nil {
		opts = append(opts, awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.Proxy = http.ProxyURL(proxy)
		})))
	}
	cfg, err := awsconfig.LoadDefaultConfig(context.Background(), opts...)
	if err != nil {
		return nil, fmt.Errorf("load the AWS settings: %w", err)
	}
	c.Credentials.assume(&cfg)
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = c.PathStyle
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	}), nil
}

// pause is the time before attempt n, from 1, is made again: half of it at least, for clients that
// fail together should not come back together.
func (c *Connection) pause(n int, _ error) (time.Duration, error) {
	most := min(c.BackoffMax, c.Backoff<<min(n-1, 20))
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)), nil
}

// proxy is the proxy's URL with its user, nil for the environment's.
func (c *Connection) proxy() (*url.URL, error) {
	if c.Proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("is not the URL of a proxy; write it as http://proxy.example:3128")
	}
	if c.ProxyUser != "" {
		u.User = url.UserPassword(c.ProxyUser, c.ProxyPassword.Reveal())
	}
	return u, nil
}

// Explain says what was being done, and what helps when it is known. What waiting cannot heal
// is permanent. bucketKey is the setting that names the bucket, and rights are what the key needs.
func (c *Connection) Explain(doing string, err error, bucketKey, rights string) error {
	var api smithy.APIError
	switch {
	case errors.As(err, &api) && strings.Contains(err.Error(), "operation error STS"):
		doing = fmt.Sprintf("%s: assume role %q", doing, c.Role)
		if api.ErrorCode() == "AccessDenied" {
			return connect.Permanent(fmt.Errorf("%s: access denied; the role must trust the key's user (and aws.sts.role.external.id, if it asks for one), who needs sts:AssumeRole", doing))
		}
		return fmt.Errorf("%s: %s: %s", doing, api.ErrorCode(), api.ErrorMessage())
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
