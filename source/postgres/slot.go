package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
)

// slot is the replication slot as pg_replication_slots lists it.
type slot struct {
	missing   bool
	plugin    string
	database  string
	confirmed LSN
	restart   LSN
	pid       int32  // of the walsender that reads it, 0 for none
	reader    string // its application name
	lost      bool   // it has not the WAL any more that it needs
	why       string // of lost, PostgreSQL's word for it; "" when it has none
	walEnd    LSN    // of the server
	standby   bool   // the server is one
	foreign   error  // why what was read up to the stored offset is not in the server's WAL; nil when it is
	twoPhase  bool   // it sends prepared transactions before they are committed
}

// walEndSQL is up to where the server has WAL; a standby has what it has replayed.
const walEndSQL = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"

// slotSQL reads invalidation_reason (PostgreSQL 17) and conflicting (16) where they exist.
const slotSQL = `
SELECT coalesce(plugin, ''), coalesce(database, ''), coalesce(confirmed_flush_lsn, '0/0')::text, coalesce(restart_lsn, '0/0')::text,
       coalesce(active_pid, 0), coalesce((SELECT application_name FROM pg_stat_replication WHERE pid = active_pid), ''),
       coalesce(wal_status, '') = 'lost' OR to_jsonb(s) ->> 'invalidation_reason' IS NOT NULL OR coalesce(to_jsonb(s) ->> 'conflicting', '') = 'true',
       coalesce(to_jsonb(s) ->> 'invalidation_reason', ''), (` + walEndSQL + `)::text, pg_is_in_recovery(),
       coalesce(to_jsonb(s) ->> 'two_phase', '') = 'true'
FROM pg_replication_slots s WHERE slot_name = $1`

// slot reads the slot and checks that it is one of ours.
func (s *Source) slot(ctx context.Context, c *catalog) (slot, error) {
	k := slot{missing: true}
	err := c.each(ctx, slotSQL, []any{s.config.Slot}, func(rows pgx.Rows) error {
		k.missing = false
		return rows.Scan(&k.plugin, &k.database, &k.confirmed, &k.restart, &k.pid, &k.reader, &k.lost, &k.why, &k.walEnd, &k.standby, &k.twoPhase)
	})
	if err != nil {
		return k, fmt.Errorf("read slot %q: %w", s.config.Slot, err)
	}
	if !k.missing && k.plugin != s.config.Plugin {
		return k, connect.Permanent(fmt.Errorf("slot %q decodes with %q, want %q; give the connector its own slot.name", s.config.Slot, k.plugin, s.config.Plugin))
	}
	if k.twoPhase {
		return k, connect.Permanent(fmt.Errorf("slot %q sends prepared transactions before they are committed (two_phase); give the connector its own slot.name, or make the slot anew without two_phase: they then come with their COMMIT PREPARED", s.config.Slot))
	}
	if !k.missing && k.database != s.config.Database {
		return k, connect.Permanent(fmt.Errorf("slot %q is of database %q, want %q; give the connector its own slot.name", s.config.Slot, k.database, s.config.Database))
	}
	return k, nil
}

// settledSlot is the slot when nobody is creating it any more. A slot that is being created has no
// position, and is gone when its creation is interrupted: by the end of the process before, say.
func (s *Source) settledSlot(ctx context.Context, c *catalog) (slot, error) {
	limit := time.Now().Add(time.Duration(s.config.SlotRetries) * s.config.SlotRetryDelay)
	for wait := firstSlotPause; ; wait = min(2*wait, s.config.SlotRetryDelay) {
		k, err := s.slot(ctx, c)
		if err != nil || k.missing || k.lost || k.confirmed != 0 || time.Now().After(limit) {
			return k, err
		}
		s.log.Warn("waiting for the slot, which is being created", "slot", s.config.Slot)
		if err := pause(ctx, max(wait, time.Millisecond)); err != nil {
			return k, err
		}
	}
}

// createSlot creates the slot on conn and returns where its changes begin and the snapshot that
// shows everything before them, which lives until the next command on conn.
func (s *Source) createSlot(ctx context.Context, conn *pgconn.PgConn) (LSN, string, error) {
	sql := fmt.Sprintf("CREATE_REPLICATION_SLOT %s LOGICAL %s EXPORT_SNAPSHOT", identifier(s.config.Slot), s.config.Plugin)
	if s.failover {
		sql = fmt.Sprintf("CREATE_REPLICATION_SLOT %s LOGICAL %s (SNAPSHOT 'export', FAILOVER)", identifier(s.config.Slot), s.config.Plugin)
	}
	made, err := pglogrepl.ParseCreateReplicationSlot(conn.Exec(ctx, sql))
	if err != nil {
		return 0, "", fmt.Errorf("create slot %q: %w", s.config.Slot, answer(err))
	}
	lsn, err := pglogrepl.ParseLSN(made.ConsistentPoint)
	if err != nil {
		return 0, "", fmt.Errorf("create slot %q: %w", s.config.Slot, err)
	}
	s.log.Info("slot created", "slot", s.config.Slot, "lsn", made.ConsistentPoint)
	return lsn, made.SnapshotName, nil
}

// firstSlot creates the slot when no snapshot is taken.
func (s *Source) firstSlot(ctx context.Context) (position, error) {
	conn, _, err := s.connectReplication(ctx)
	if err != nil {
		return position{}, err
	}
	defer closeSoon(conn)
	lsn, _, err := s.createSlot(ctx, conn)
	return position{commit: lsn, lsn: lsn}, err
}

// dropSlot drops the slot after an orderly stop.
func (s *Source) dropSlot(ctx context.Context, c *catalog) error {
	if err := c.exec(ctx, "SELECT pg_drop_replication_slot("+literal(s.config.Slot)+")"); err != nil {
		return fmt.Errorf("drop slot %q: %w", s.config.Slot, err)
	}
	s.log.Info("slot dropped", "slot", s.config.Slot)
	return nil
}

// firstSlotPause is how soon a slot in use is tried again at first: the walsender of a killed
// process goes away within milliseconds.
const firstSlotPause = 100 * time.Millisecond

// whenFree calls use until the slot is not in use any more, for as long as slot.max.retries
// times slot.retry.delay.ms, and wait in between. The error after that is not permanent: the other
// reader may be our own from before, which PostgreSQL has not yet found to be gone.
func (s *Source) whenFree(ctx context.Context, wait func(context.Context, time.Duration) error, use func() error) error {
	limit := time.Duration(s.config.SlotRetries) * s.config.SlotRetryDelay
	began := time.Now()
	for next := firstSlotPause; ; next = min(2*next, s.config.SlotRetryDelay) {
		err := use()
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55006" {
			return err
		}
		err = fmt.Errorf("%w; stop the other reader, or give this connector its own slot.name", err)
		if time.Since(began) >= limit {
			return err
		}
		s.log.Warn("waiting for the slot", "slot", s.config.Slot, "err", err)
		if err := wait(ctx, max(next, time.Millisecond)); err != nil {
			return err
		}
	}
}
