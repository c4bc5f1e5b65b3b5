package testenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
)

// The environment of a test run.
const (
	// ServersEnv holds the addresses of the servers of the run: a Servers as JSON.
	ServersEnv = "CONNECTD_TEST_SERVERS"
	// RequireEnv set to "1" makes tests fail that have no servers; otherwise they skip.
	RequireEnv = "CONNECTD_TEST_REQUIRE_SERVERS"
)

// Servers are one of each.
type Servers struct {
	Postgres   *Postgres
	Kafka      *Kafka
	ClickHouse *ClickHouse
	S3         *S3
	Registry   *Registry
}

// StartAll starts one server of each kind, all at the same time, in temporary directories.
func StartAll(ctx context.Context) (*Servers, error) {
	var s Servers
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { s.Postgres, err = StartPostgres(ctx, "", PostgresOptions{}); return err })
	g.Go(func() (err error) { s.Kafka, err = StartKafka(ctx, "", KafkaOptions{}); return err })
	g.Go(func() (err error) { s.ClickHouse, err = StartClickHouse(ctx, "", ClickHouseOptions{}); return err })
	g.Go(func() (err error) { s.S3, err = StartS3(ctx, "", S3Options{}); return err })
	g.Go(func() (err error) { s.Registry, err = StartRegistry(ctx, RegistryOptions{}); return err })
	if err := g.Wait(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &s, nil
}

// Close closes those that were started.
func (s *Servers) Close() error {
	var errs []error
	if s.Postgres != nil {
		errs = append(errs, s.Postgres.Close())
	}
	if s.Kafka != nil {
		errs = append(errs, s.Kafka.Close())
	}
	if s.ClickHouse != nil {
		errs = append(errs, s.ClickHouse.Close())
	}
	if s.S3 != nil {
		errs = append(errs, s.S3.Close())
	}
	if s.Registry != nil {
		errs = append(errs, s.Registry.Close())
	}
	return errors.Join(errs...)
}

// Env returns the line for the environment of a process that is to use these servers.
func (s *Servers) Env() (string, error) {
	b, err := json.Marshal(s)
	return ServersEnv + "=" + string(b), err
}

// sharedServers reads the servers of the run; nil if there are none.
func sharedServers() (*Servers, error) {
	v := os.Getenv(ServersEnv)
	if v == "" {
		return nil, nil
	}
	var s Servers
	if err := json.Unmarshal([]byte(v), &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", ServersEnv, err)
	}
	return &s, nil
}
