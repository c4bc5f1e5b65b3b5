package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"connectd/internal/testenv"
)

// bucket is the demo's bucket in its own S3 endpoint.
var bucket = "shop"

// engines are the servers of one run, in a directory that goes with them.
type engines struct {
	dir        string
	shop       *testenv.Postgres
	target     *testenv.Postgres
	clickhouse *testenv.ClickHouse
	s3         *testenv.S3
}

// startEngines starts all servers side by side.
func startEngines(ctx context.Context) (e *engines, err error) {
	dir, err := os.MkdirTemp("", "connectd-demo-")
	if err != nil {
		return nil, err
	}
	e = &engines{dir: dir}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	// The servers run under another user when this is root.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	var g errgroup.Group
	g.Go(func() (err error) {
		if e.shop, err = testenv.StartPostgres(ctx, filepath.Join(dir, "shop"), testenv.PostgresOptions{}); err != nil {
			return err
		}
		return e.shop.CreateDatabase(ctx, "shop")
	})
	g.Go(func() (err error) {
		if e.target, err = testenv.StartPostgres(ctx, filepath.Join(dir, "target"), testenv.PostgresOptions{}); err != nil {
			return err
		}
		return e.target.CreateDatabase(ctx, "warehouse")
	})
	g.Go(func() (err error) {
		e.clickhouse, err = testenv.StartClickHouse(ctx, filepath.Join(dir, "clickhouse"), testenv.ClickHouseOptions{})
		return err
	})
	g.Go(func() (err error) {
		if e.s3, err = testenv.StartS3(ctx, filepath.Join(dir, "s3"), testenv.S3Options{}); err != nil {
			return err
		}
		_, err = e.s3.Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
		return err
	})
	if err := g.Wait(); err != nil {
		return e, fmt.Errorf("start the demo's engines: %w", err)
	}
	return e, nil
}

// close stops what was started, and removes its data.
func (e *engines) close() {
	if e.shop != nil {
		_ = e.shop.Close()
	}
	if e.target != nil {
		_ = e.target.Close()
	}
	if e.clickhouse != nil {
		_ = e.clickhouse.Close()
	}
	if e.s3 != nil {
		_ = e.s3.Close()
	}
	_ = os.RemoveAll(e.dir)
}

// env is what connectors.yaml reads from the environment.
func (e *engines) env() []string {
	return []string{
		"BOOTSTRAP_SERVERS=",
		"CONNECTD_DATA=" + filepath.Join(e.dir, "broker"),
		"SHOP_HOST=" + e.shop.Host,
		fmt.Sprintf("SHOP_PORT=%d", e.shop.Port),
		"CLICKHOUSE_HOST=" + e.clickhouse.Host,
		fmt.Sprintf("CLICKHOUSE_PORT=%d", e.clickhouse.Port),
		"CLICKHOUSE_USER=" + e.clickhouse.User,
		"CLICKHOUSE_PASSWORD=" + e.clickhouse.Password,
		"TARGET_URL=" + e.target.DSN("warehouse"),
		"S3_BUCKET=" + bucket,
		"S3_REGION=" + e.s3.Region,
		"S3_ENDPOINT=" + e.s3.Endpoint,
		"S3_ACCESS_KEY=" + e.s3.AccessKey,
		"S3_SECRET_KEY=" + e.s3.SecretKey,
	}
}
