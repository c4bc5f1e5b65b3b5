package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"
)

// S3Options say how a server differs from the usual one.
type S3Options struct {
	Port                 int    // 0: a free one
	AccessKey, SecretKey string // default "connectd" and "connectd-secret"
}

// S3 is a versitygw server, which checks signatures, checksums and conditions as AWS does.
// Buckets are addressed by path.
type S3 struct {
	Endpoint             string // such as http://127.0.0.1:9000
	AccessKey, SecretKey string
	Region               string

	process *process // nil: started by another process
}

// StartS3 starts a server in dir (new or empty; "": a temporary directory).
func StartS3(ctx context.Context, dir string, o S3Options) (*S3, error) {
	if o.AccessKey == "" {
		o.AccessKey = "connectd"
	}
	if o.SecretKey == "" {
		o.SecretKey = "connectd-secret"
	}
	const region = "us-east-1"
	home, err := installed("s3", "versitygw-"+versions["VERSITYGW"])
	if err != nil {
		return nil, err
	}
	port, err := freePort(o.Port)
	if err != nil {
		return nil, err
	}
	if dir, err = newDir("s3", dir); err != nil {
		return nil, err
	}
	data, sidecar := filepath.Join(dir, "data"), filepath.Join(dir, "sidecar")
	s := &S3{Endpoint: "http://" + address(port), AccessKey: o.AccessKey, SecretKey: o.SecretKey, Region: region, process: &process{
		name:   "s3",
		dir:    dir,
		orphan: "KILL",
		args:   []string{filepath.Join(home, "versitygw"), "--port", host + ":" + strconv.Itoa(port), "--region", region, "--quiet", "posix"},
		env:    []string{"ROOT_ACCESS_KEY=" + o.AccessKey, "ROOT_SECRET_KEY=" + o.SecretKey},
	}}
	s.process.ready = func(ctx context.Context) error {
		if err := dial(ctx, address(port)); err != nil {
			return err
		}
		_, err := s.Client().ListBuckets(ctx, &s3.ListBucketsInput{})
		return err
	}
	if err := errors.Join(os.Mkdir(data, 0o755), os.Mkdir(sidecar, 0o755)); err != nil {
		s.Close()
		return nil, fmt.Errorf("start s3: %w", err)
	}
	if unix.Setxattr(data, "user.connectd", []byte("1"), 0) != nil {
		// The file system has no user attributes: versitygw keeps them in files.
		s.process.args = append(s.process.args, "--sidecar", sidecar)
	}
	s.process.args = append(s.process.args, data)
	if err := s.process.start(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Client returns a client with the server's keys.
func (s *S3) Client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       s.Region,
		UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey}, nil
		}),
	})
}

// Kill ends the server with SIGKILL; its data stays.
func (s *S3) Kill() error {
	if s.process == nil {
		return errShared("s3")
	}
	s.process.kill()
	return nil
}

// Restart kills the server if it runs, and starts it on the same port and data.
func (s *S3) Restart() error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.process.start(context.Background())
}

// Close kills the server and removes its directory.
func (s *S3) Close() error {
	if s.process == nil {
		return errShared("s3")
	}
	return s.process.close()
}
