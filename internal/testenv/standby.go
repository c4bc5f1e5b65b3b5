package testenv

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// standbySlot is the physical slot of a standby on its primary.
const standbySlot = "standby"

// StartStandby copies a server that StartPostgres has started, which stops for that long, and starts
// the copy as its hot standby. Settings are on top of those of the primary.
func StartStandby(ctx context.Context, primary *Postgres, settings map[string]string) (*Postgres, error) {
	if primary.process == nil {
		return nil, errShared("postgres")
	}
	if err := primary.exec(ctx, "postgres", "SELECT pg_create_physical_replication_slot('"+standbySlot+"', true)"); err != nil {
		return nil, err
	}
	bin, err := postgresBin(primary.Version)
	if err != nil {
		return nil, err
	}
	port, err := freePort(0)
	if err != nil {
		return nil, err
	}
	dir, err := newDir("postgres", "")
	if err != nil {
		return nil, err
	}
	p := &Postgres{Host: host, Port: port, Version: primary.Version, process: &process{name: "postgres " + primary.Version + " (standby)", dir: dir, orphan: "QUIT"}}
	p.process.ready = p.ping
	if err := p.follow(ctx, primary, bin, settings); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// follow copies primary and starts p as its standby.
func (p *Postgres) follow(ctx context.Context, primary *Postgres, bin string, settings map[string]string) error {
	proc := p.process
	bin, err := proc.unprivileged(bin)
	if err != nil {
		return fmt.Errorf("start %s: %w", proc.name, err)
	}
	if err := primary.process.stop(syscall.SIGINT); err != nil {
		return err
	}
	from, data := filepath.Join(primary.process.dir, "data"), filepath.Join(proc.dir, "data")
	if out, err := proc.command(ctx, "cp", "-a", from, data).CombinedOutput(); err != nil {
		return fmt.Errorf("start %s: copy %s: %w: %s", proc.name, from, err, out)
	}
	if err := primary.process.start(ctx); err != nil {
		return err
	}
	all := map[string]string{
		"primary_conninfo":     fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres", primary.Host, primary.Port),
		"primary_slot_name":    standbySlot,
		"hot_standby_feedback": "on",
	}
	maps.Copy(all, settings)
	all["port"] = strconv.Itoa(p.Port)
	conf, err := os.ReadFile(filepath.Join(data, "postgresql.auto.conf"))
	if err != nil {
		return err
	}
	// Of a setting that is there twice the last one counts.
	if err := os.WriteFile(filepath.Join(data, "postgresql.auto.conf"), append(conf, postgresConf(all)...), 0o600); err != nil {
		return err
	}
	if out, err := proc.command(ctx, "touch", filepath.Join(data, "standby.signal")).CombinedOutput(); err != nil {
		return fmt.Errorf("start %s: %w: %s", proc.name, err, out)
	}
	proc.args = []string{filepath.Join(bin, "postgres"), "-D", data}
	return proc.start(ctx)
}

// OwnStandby starts a standby of an own server. It is closed at the end of the test.
func OwnStandby(t testing.TB, primary *Postgres, settings map[string]string) *Postgres {
	t.Helper()
	return own(t, func(ctx context.Context) (*Postgres, error) { return StartStandby(ctx, primary, settings) })
}
