package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"connectd/internal/testenv"
	"connectd/kafka"
)

// engines are the servers of one run and the means to look into them.
type engines struct {
	postgres   *testenv.Postgres
	kafka      *testenv.Kafka
	clickhouse *testenv.ClickHouse
	s3         *testenv.S3
	settings   kafka.Settings
	admin      *kafka.Admin
	binary     string
	serial     int
}

func startEngines(ctx context.Context) (_ *engines, err error) {
	e := &engines{}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	var g errgroup.Group
	g.Go(func() (err error) {
		e.postgres, err = testenv.StartPostgres(ctx, "", testenv.PostgresOptions{Settings: map[string]string{
			"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}})
		return err
	})
	g.Go(func() (err error) {
		e.kafka, err = testenv.StartKafka(ctx, "", testenv.KafkaOptions{Heap: "1g"})
		return err
	})
	g.Go(func() (err error) {
		e.clickhouse, err = testenv.StartClickHouse(ctx, "", testenv.ClickHouseOptions{})
		return err
	})
	g.Go(func() (err error) {
		e.s3, err = testenv.StartS3(ctx, "", testenv.S3Options{})
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	e.settings.Defaults()
	e.settings.Brokers = strings.Split(e.kafka.Brokers, ",")
	if e.admin, err = kafka.NewAdmin(e.settings); err != nil {
		return nil, err
	}
	return e, e.warm(ctx)
}

func (e *engines) close() {
	if e.admin != nil {
		e.admin.Close()
	}
	if e.postgres != nil {
		_ = e.postgres.Close()
	}
	if e.kafka != nil {
		_ = e.kafka.Close()
	}
	if e.clickhouse != nil {
		_ = e.clickhouse.Close()
	}
	if e.s3 != nil {
		_ = e.s3.Close()
	}
}

// name is a new name for a database, a topic prefix, a slot.
func (e *engines) name(what string) string {
	e.serial++
	return fmt.Sprintf("%s%d", what, e.serial)
}

// awaitRecords waits until topic holds n records and says when it did.
func (e *engines) awaitRecords(ctx context.Context, topic string, n int64) (time.Time, error) {
	for {
		sum, err := e.records(ctx, topic)
		if err == nil && sum >= n {
			return time.Now(), nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return time.Time{}, fmt.Errorf("topic %s holds %d of %d records: %w", topic, sum, n, err)
		}
	}
}

// records is how many records the topic has got.
func (e *engines) records(ctx context.Context, topic string) (sum int64, err error) {
	ends, err := e.admin.ListOffsets(ctx, false, topic)
	for _, o := range ends {
		sum += o.End
	}
	return sum, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quiet is for clients whose news nobody reads here.
var quiet = slog.New(slog.DiscardHandler)
