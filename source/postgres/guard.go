package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

const (
	// guardEvery is how often the guard looks at the slot.
	guardEvery = 10 * time.Second
	// warnEvery is how often the log repeats a warning that stays.
	warnEvery = 10 * time.Minute
	// trend is over how long the growth of what the slot keeps is measured.
	trend = 5 * time.Minute
	// soon is how near the limit must be to warn of it before half of it is used.
	soon = time.Hour
	// forever bounds an estimate that would not fit a Duration.
	forever = 100 * 365 * 24 * time.Hour
)

// guard watches how much WAL the slot keeps on the server's disk, over a connection of its own:
// in a snapshot, and while the stream is held back, nobody else looks.
type guard struct {
	source  *Source
	task    *connect.SourceTask
	catalog *catalog
	seen    []kept    // of the last trend, oldest first
	warned  time.Time // when the log was last told; zero while nothing is wrong
	level   int       // of the last warning
}

// kept is what one look at the slot has found.
type kept struct {
	at       time.Time
	retained int64  // bytes of WAL from restart_lsn on
	status   string // wal_status
	safe     int64  // bytes that can be written before the slot may lose WAL; -1 for no limit
	limit    int64  // max_slot_wal_keep_size in bytes; -1 for none
}

// guard starts watching. The function that it returns ends it and waits until it has ended.
func (s *Source) guard(ctx context.Context, t *connect.SourceTask) func() {
	ctx, cancel := context.WithCancel(ctx)
	g := &guard{source: s, task: t, catalog: newCatalog(s)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer g.catalog.Close()
		g.run(ctx)
	}()
	return func() { cancel(); <-done }
}

func (g *guard) run(ctx context.Context) {
	tick := time.NewTicker(guardEvery)
	defer tick.Stop()
	for {
		// What the guard can not see does not stop the source, which meets the same trouble itself.
		if k, ok, err := g.look(ctx); err == nil && ok {
			g.judge(k)
		} else if err != nil && ctx.Err() == nil {
			g.source.log.Debug("can not look at the slot", "slot", g.source.config.Slot, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

const keptSQL = `
SELECT coalesce(pg_wal_lsn_diff(` + walEndSQL + `, restart_lsn), 0)::bigint, coalesce(wal_status, ''), coalesce(safe_wal_size, -1),
       (SELECT CASE WHEN setting = '-1' THEN -1 ELSE setting::bigint * 1048576 END FROM pg_settings WHERE name = 'max_slot_wal_keep_size')
FROM pg_replication_slots WHERE slot_name = $1`

// look reads what the slot keeps; ok is false when there is no slot (yet).
func (g *guard) look(ctx context.Context) (k kept, ok bool, err error) {
	k.at = time.Now()
	err = g.catalog.each(ctx, keptSQL, []any{g.source.config.Slot}, func(rows pgx.Rows) error {
		ok = true
		return rows.Scan(&k.retained, &k.status, &k.safe, &k.limit)
	})
	return k, ok, err
}

// walStatuses are the values of connectd_slot_wal_status, from good to bad.
var walStatuses = map[string]float64{"reserved": 0, "extended": 1, "unreserved": 2, "lost": 3}

// judge shows what was found, and warns when it comes near a limit.
func (g *guard) judge(k kept) {
	perSecond := g.growth(k)
	left, limit := g.left(k)
	h := connect.Health{Gauges: map[string]float64{"connectd_slot_retained_bytes": float64(k.retained), "connectd_slot_retained_growth_bytes_per_second": perSecond}}
	if status, ok := walStatuses[k.status]; ok {
		h.Gauges["connectd_slot_wal_status"] = status
	}
	if k.safe >= 0 {
		h.Gauges["connectd_slot_safe_bytes"] = float64(k.safe)
	}
	in := time.Duration(-1)
	if limit > 0 {
		h.Gauges["connectd_slot_limit_bytes"] = float64(limit)
		if perSecond > 0 {
			seconds := float64(left) / perSecond
			h.Gauges["connectd_slot_limit_seconds"] = seconds
			in = time.Duration(min(seconds, forever.Seconds())) * time.Second
		}
	}
	level := k.level(limit, in)
	if level > 0 {
		h.Warning = g.warning(k, limit, in)
	}
	g.task.Watch(h)
	g.say(k, level, h.Warning)
}

// growth takes k and returns by how many bytes a second what the slot keeps has grown lately.
func (g *guard) growth(k kept) float64 {
	for len(g.seen) > 0 && k.at.Sub(g.seen[0].at) > trend {
		g.seen = g.seen[1:]
	}
	g.seen = append(g.seen, k)
	first := g.seen[0]
	if over := k.at.Sub(first.at).Seconds(); over > 0 {
		return float64(k.retained-first.retained) / over
	}
	return 0
}

// left is how many bytes the slot may still take, and the limit of what it may keep; 0 for none.
// PostgreSQL's own limit makes the slot useless; slot.retained.max.bytes stands for the disk.
func (g *guard) left(k kept) (left, limit int64) {
	limit = int64(g.source.config.RetainedMax)
	if k.limit >= 0 && (limit == 0 || k.limit < limit) {
		return max(k.safe, 0), max(k.limit, 1)
	}
	return max(limit-k.retained, 0), limit
}

// level is 0 when all is well, 1 for a warning, 2 when the slot is about to be lost.
func (k kept) level(limit int64, in time.Duration) int {
	switch {
	case k.status == "unreserved" || k.status == "lost":
		return 2
	case limit > 0 && (k.retained >= limit/2 || in >= 0 && in < soon && k.retained >= limit/10):
		return 1
	}
	return 0
}

// warning is the sentence for the status: what is kept, until when that goes well, what to do.
func (g *guard) warning(k kept, limit int64, in time.Duration) error {
	text := fmt.Sprintf("slot %q keeps %s of WAL on the server", g.source.config.Slot, about(k.retained))
	switch {
	case k.status == "lost":
		return fmt.Errorf("slot %q has lost WAL that it needs", g.source.config.Slot)
	case k.status == "unreserved":
		text += ", and the next checkpoint takes it away"
	case limit > 0:
		text += fmt.Sprintf(" of at most %s", about(limit))
		if in >= 0 {
			text += fmt.Sprintf(", which is reached in %s as it grows now", in)
		}
	}
	mend := "see that Kafka takes the records, and that no transaction stays open on the server"
	if k.limit >= 0 {
		mend += "; or raise max_slot_wal_keep_size"
	}
	return fmt.Errorf("%s; %s", text, mend)
}

// say writes to the log: a warning at once, again when it gets worse and every ten minutes, and
// when it is over.
func (g *guard) say(k kept, level int, warning error) {
	log := g.source.log
	switch {
	case level == 0 && g.level > 0:
		log.Info("the slot keeps little WAL again", "slot", g.source.config.Slot, "retained", about(k.retained))
	case level > g.level || level > 0 && k.at.Sub(g.warned) >= warnEvery:
		log.Warn("WAL is kept", "slot", g.source.config.Slot, "status", k.status, "err", warning)
		g.warned = k.at
	}
	g.level = level
}

// about is n bytes for people: 1.5 GiB.
func about(n int64) string {
	size, unit := float64(n), 0
	for size >= 1024 && unit < 4 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.3g %s", size, [...]string{"bytes", "KiB", "MiB", "GiB", "TiB"}[unit])
}
