package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// reference is the workload: about 250 bytes a row.
const reference = `
CREATE TABLE events (id bigserial PRIMARY KEY, user_id bigint, kind text, amount numeric(12,2), payload jsonb, created_at timestamptz);
CREATE PUBLICATION bench FOR TABLE events;
CREATE PROCEDURE drive(n int, size int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 0 .. n / size - 1 LOOP
		INSERT INTO events (user_id, kind, amount, payload, created_at)
		SELECT (i * size + k)::bigint * 7919 % 100000, (ARRAY['view','click','buy','share'])[k % 4 + 1], (k % 100000) * 0.01,
			jsonb_build_object('page', '/products/' || k, 'ref', md5(k::text), 'session', md5((i * size + k)::text), 'ok', k % 2 = 0), clock_timestamp()
		FROM generate_series(1, size) k;
		COMMIT;
	END LOOP;
END $$`

// database is one source database, with a connection to it.
type database struct {
	name string
	conn *pgx.Conn
}

func (e *engines) database(ctx context.Context) (*database, error) {
	name := e.name("bench")
	if err := e.postgres.CreateDatabase(ctx, name); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, e.postgres.DSN(name))
	if err != nil {
		return nil, err
	}
	d := &database{name, conn}
	return d, d.exec(ctx, reference)
}

func (d *database) exec(ctx context.Context, sql string) error {
	_, err := d.conn.Exec(ctx, sql)
	return err
}

// close ends the connection; the server goes with the run.
func (d *database) close() { _ = d.conn.Close(context.Background()) }

// topic is where the events of d go.
func (d *database) topic() string { return d.name + ".public.events" }

// source is the configuration of the connector that reads d, with more lines of settings.
func (e *engines) source(d *database, snapshot string, more ...string) string {
	return fmt.Sprintf(`
  %[1]s:
    connector.class: postgres-source
    database.hostname: %[2]s
    database.port: %[3]d
    database.user: debezium
    database.password: dbz
    database.dbname: %[1]s
    topic.prefix: %[1]s
    slot.name: %[1]s
    publication.name: bench
    table.include.list: public.events
    snapshot.mode: %[4]s
    topic.creation.default.partitions: 1
    topic.creation.default.replication.factor: 1
    transforms: unwrap
    transforms.unwrap.type: io.debezium.transforms.ExtractNewRecordState
    key.converter.schemas.enable: false
    value.converter.schemas.enable: false
    key.converter: org.apache.kafka.connect.json.JsonConverter
    value.converter: org.apache.kafka.connect.json.JsonConverter
`, d.name, e.postgres.Host, e.postgres.Port, snapshot) + lines(more)
}

// lines are settings of a connector.
func lines(settings []string) string {
	var b strings.Builder
	for _, s := range settings {
		b.WriteString("    " + s + "\n")
	}
	return b.String()
}

// measureSnapshot times the snapshot from the process's start to the last record in the broker,
// beside COPY of the same table to nowhere.
func measureSnapshot(ctx context.Context, e *engines, o options) ([]result, error) {
	d, err := e.database(ctx)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := d.exec(ctx, fmt.Sprintf("CALL drive(%d, 10000)", o.rows)); err != nil {
		return nil, err
	}
	if err := d.exec(ctx, "VACUUM ANALYZE events"); err != nil {
		return nil, err
	}
	begin := time.Now()
	if _, err := d.conn.PgConn().CopyTo(ctx, io.Discard, "COPY events TO STDOUT"); err != nil {
		return nil, err
	}
	bare := float64(o.rows) / time.Since(begin).Seconds()

	run, err := e.start(e.source(d, "initial"))
	if err != nil {
		return nil, err
	}
	defer run.stop()
	first, err := e.awaitRecords(ctx, d.topic(), 1)
	if err != nil {
		return nil, run.failed(err)
	}
	last, err := e.awaitRecords(ctx, d.topic(), int64(o.rows))
	if err != nil {
		return nil, run.failed(err)
	}
	return []result{{Name: "snapshot", PerSecond: float64(o.rows) / last.Sub(run.started).Seconds(), CPU: perEvent(run.cpu(), o.rows), PeakMB: run.peak(),
		Bare: bare, BareBy: "COPY to nowhere", Note: fmt.Sprintf("; first record after %v, then %.0f/s", first.Sub(run.started).Round(time.Millisecond), float64(o.rows)/last.Sub(first).Seconds())}}, nil
}

// backlog is what measureDrain drains: rows in transactions of so many.
type backlog struct {
	name       string
	rows, size int
}

// measureDrain times backlogs, beside pg_recvlogical writing the same changes to nowhere.
func measureDrain(ctx context.Context, e *engines, o options) ([]result, error) {
	var all []result
	for _, b := range []backlog{{"drain, 1,000 rows a transaction", o.rows, 1000}, {"drain, one row a transaction", o.rows / 5, 1}} {
		r, err := e.drain(ctx, b)
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

// measureTransaction times a single transaction of ten times as many rows.
func measureTransaction(ctx context.Context, e *engines, o options) ([]result, error) {
	r, err := e.drain(ctx, backlog{fmt.Sprintf("drain, one transaction of %d rows", 10*o.rows), 10 * o.rows, 10 * o.rows})
	return []result{r}, err
}

func (e *engines) drain(ctx context.Context, b backlog) (result, error) {
	var none result
	d, err := e.database(ctx)
	if err != nil {
		return none, err
	}
	defer d.close()
	if err := e.makeSlot(ctx, d); err != nil {
		return none, err
	}
	if err := d.exec(ctx, "SELECT pg_create_logical_replication_slot('bare_"+d.name+"', 'pgoutput')"); err != nil {
		return none, err
	}
	if err := d.exec(ctx, fmt.Sprintf("CALL drive(%d, %d)", b.rows, b.size)); err != nil {
		return none, err
	}
	bare, err := e.recvlogical(ctx, d, b.rows)
	if err != nil {
		return none, err
	}
	run, err := e.start(e.source(d, "no_data"))
	if err != nil {
		return none, err
	}
	defer run.stop()
	last, err := e.awaitRecords(ctx, d.topic(), int64(b.rows))
	if err != nil {
		return none, run.failed(err)
	}
	return result{Name: b.name, PerSecond: float64(b.rows) / last.Sub(run.started).Seconds(),
		CPU: perEvent(run.cpu(), b.rows), PeakMB: run.peak(), Bare: bare, BareBy: "pg_recvlogical to nowhere"}, nil
}

// makeSlot lets connectd make its slot, and stops it: what comes from here on is a backlog.
func (e *engines) makeSlot(ctx context.Context, d *database) error {
	run, err := e.start(e.source(d, "no_data"))
	if err != nil {
		return err
	}
	defer run.stop()
	if err := awaitSlot(ctx, d); err != nil {
		return run.failed(err)
	}
	return nil
}

// recvlogical is the rate at which PostgreSQL's own reader takes the backlog.
func (e *engines) recvlogical(ctx context.Context, d *database, rows int) (float64, error) {
	var end string
	if err := d.conn.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&end); err != nil {
		return 0, err
	}
	tools, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_recvlogical")
	if err != nil || len(tools) == 0 {
		return 0, fmt.Errorf("pg_recvlogical is not installed; run make servers")
	}
	begin := time.Now()
	cmd := exec.CommandContext(ctx, tools[0], "-d", e.postgres.DSN(d.name), "-S", "bare_"+d.name, "--start", "--endpos", end,
		"-f", "/dev/null", "-o", "proto_version=1", "-o", "publication_names=bench")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pg_recvlogical: %w: %s", err, out)
	}
	took := time.Since(begin).Seconds()
	return float64(rows) / took, d.exec(ctx, "SELECT pg_drop_replication_slot('bare_"+d.name+"')")
}

// awaitSlot waits until connectd streams from its slot.
func awaitSlot(ctx context.Context, d *database) error {
	for {
		var active bool
		// A slot is active while it is being made, too.
		err := d.conn.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
			WHERE s.slot_name = $1 AND r.state = 'streaming')`, d.name).Scan(&active)
		if err == nil && active {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("slot %s: %w", d.name, err)
		}
	}
}

func perEvent(cpu time.Duration, n int) float64 { return cpu.Seconds() * 1e6 / float64(n) }
