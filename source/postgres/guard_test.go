package postgres

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"connectd/connect"
	"connectd/internal/testenv"
)

// TestGuard lets a slot that nobody reads keep WAL until PostgreSQL takes it away.
func TestGuard(t *testing.T) {
	t.Parallel()
	p := testenv.OwnPostgres(t, testenv.PostgresOptions{Settings: map[string]string{"max_slot_wal_keep_size": "64MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}})
	if err := p.CreateDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	d := databaseOn(t, p, "db", "CREATE TABLE a (id int PRIMARY KEY)")
	s := newSource(t, d.config(t))
	var log bytes.Buffer
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	intake := connect.NewIntake("test", 1, nil, s.log)
	g := &guard{source: s, task: intake.Task(), catalog: newCatalog(s)}
	defer g.catalog.Close()
	look := func() map[string]float64 {
		t.Helper()
		k, ok, err := g.look(t.Context())
		if err != nil || !ok {
			t.Fatalf("no slot: %v", err)
		}
		g.judge(k)
		return intake.Health().Gauges
	}
	if _, ok, err := g.look(t.Context()); ok || err != nil {
		t.Fatalf("a slot before there is one: %v", err)
	}
	d.exec(t, "SELECT pg_create_logical_replication_slot('db', 'pgoutput')")
	first := look()
	if first["connectd_slot_wal_status"] != 0 || first["connectd_slot_limit_bytes"] != 64<<20 || first["connectd_slot_safe_bytes"] <= 0 {
		t.Errorf("at first: %v", first)
	}
	if w := intake.Health().Warning; w != nil {
		t.Errorf("at first: %v", w)
	}
	fill := func(segments int) {
		for range segments {
			d.exec(t, "SELECT pg_switch_wal() FROM pg_logical_emit_message(true, 'a', 'b')")
		}
	}
	fill(3)
	half := look()
	if half["connectd_slot_retained_bytes"] < 32<<20 || half["connectd_slot_limit_seconds"] <= 0 {
		t.Errorf("at half: %v", half)
	}
	if w := intake.Health().Warning; w == nil || !strings.Contains(w.Error(), "of at most 64 MiB, which is reached in ") || !strings.Contains(w.Error(), "max_slot_wal_keep_size") {
		t.Errorf("at half: %v", w)
	}
	look()
	if n := strings.Count(log.String(), "WAL is kept"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, log.String())
	}
	fill(4)
	d.exec(t, "CHECKPOINT")
	if lost := look(); lost["connectd_slot_wal_status"] != 3 {
		t.Errorf("at last: %v", lost)
	}
	if n := strings.Count(log.String(), "WAL is kept"); n != 2 {
		t.Errorf("%d warnings, want one more for the loss:\n%s", n, log.String())
	}
}

// TestGuardDisk has no limit of PostgreSQL's own.
func TestGuardDisk(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name    string
		looks   []int64 // retained, in MiB, ten seconds apart
		max     string
		warning string
	}{
		{"little", []int64{1, 1}, "1GiB", ""},
		{"grows, far away", []int64{10, 11}, "1GiB", ""},
		{"grows fast", []int64{100, 200}, "1GiB", "keeps 200 MiB of WAL on the server of at most 1 GiB, which is reached in 1m22s as it grows now"},
		{"more than half", []int64{600, 600}, "1GiB", "keeps 600 MiB of WAL on the server of at most 1 GiB; see"},
		{"no limit", []int64{600, 6000}, "0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := maps.Clone(seed)
			settings["slot.retained.max.bytes"] = c.max
			s := newSource(t, decode(t, settings))
			intake := connect.NewIntake("test", 1, nil, s.log)
			g := &guard{source: s, task: intake.Task()}
			for i, mib := range c.looks {
				g.judge(kept{at: now.Add(time.Duration(i) * 10 * time.Second), retained: mib << 20, status: "extended", safe: -1, limit: -1})
			}
			switch w := intake.Health().Warning; {
			case c.warning == "" && w != nil:
				t.Errorf("got %v", w)
			case c.warning != "" && (w == nil || !strings.Contains(w.Error(), c.warning)):
				t.Errorf("got %v, want %s", w, c.warning)
			}
		})
	}
}
