package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"connectd/connect"
)

var _ connect.Examiner = (*Source)(nil)

// longOpen is how long a transaction may be open before the doctor speaks of it.
const longOpen = 5 * time.Minute

// idleKeeps is how much WAL a slot that nobody reads may keep before the doctor speaks of it.
const idleKeeps = 64 << 20

// examination looks at a database on behalf of a connector, and changes nothing.
type examination struct {
	source   *Source
	catalog  *catalog
	settings map[string]string // of the server
	version  int               // such as 150018
	standby  bool
	tables   []relation
	slot     slot
	open     time.Duration // after which a transaction is spoken of
	found    []connect.Finding
}

// Examine tells all that is good and bad about the database, with the SQL that mends it. It goes
// on after a problem, so that all of them are seen at once.
func (s *Source) Examine(ctx context.Context) ([]connect.Finding, error) {
	x := &examination{source: s, catalog: newCatalog(s), open: longOpen}
	defer x.catalog.Close()
	for _, look := range []func(context.Context) error{
		x.server, x.captured, x.role, x.own, x.room, x.publication, x.identities, x.others, x.transactions,
	} {
		if err := look(ctx); err != nil {
			return x.found, s.classify(err)
		}
	}
	return x.found, nil
}

func (x *examination) say(g connect.Grade, mend []string, format string, args ...any) {
	x.found = append(x.found, connect.Finding{Grade: g, Text: fmt.Sprintf(format, args...), Mend: mend})
}

// sayAll takes what a check has found.
func (x *examination) sayAll(found []error) {
	for _, err := range found {
		var m *mendable
		if errors.As(err, &m) {
			x.say(connect.Problem, []string{m.statement}, "%s", m.text)
			continue
		}
		x.say(connect.Problem, nil, "%v", err)
	}
}

// server looks at what is set for the whole server.
func (x *examination) server(ctx context.Context) error {
	x.settings = map[string]string{}
	err := x.catalog.each(ctx, "SELECT name, setting FROM pg_settings", nil, func(rows pgx.Rows) error {
		var name, setting string
		err := rows.Scan(&name, &setting)
		x.settings[name] = setting
		return err
	})
	if err != nil {
		return err
	}
	x.version, _ = strconv.Atoi(x.settings["server_version_num"])
	if err := x.catalog.row(ctx, "SELECT pg_is_in_recovery()", nil, &x.standby); err != nil {
		return err
	}
	number, _, _ := strings.Cut(x.settings["server_version"], " ")
	if level := x.settings["wal_level"]; x.version < oldestVersion {
		x.say(connect.Problem, nil, "PostgreSQL %s is too old, want 13 or newer", number)
	} else if level != "logical" {
		x.say(connect.Problem, []string{"ALTER SYSTEM SET wal_level = logical"}, `PostgreSQL %s has wal_level %q, want "logical"; it changes with a restart of the server`, number, level)
	} else {
		x.say(connect.Good, nil, "PostgreSQL %s, wal_level is logical", number)
	}
	x.limits()
	return nil
}

// limits looks at how much a slot may keep, and what a standby needs.
func (x *examination) limits() {
	switch keep := x.settings["max_slot_wal_keep_size"]; keep {
	case "-1":
		x.say(connect.Note, []string{"ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'", "SELECT pg_reload_conf()"},
			"max_slot_wal_keep_size is not set: while the connector is stopped, its slot keeps WAL until the server's disk is full; with a limit the slot is lost instead")
	default:
		megabytes, _ := strconv.ParseInt(keep, 10, 64)
		x.say(connect.Good, nil, "max_slot_wal_keep_size is %s: a slot that falls further behind is lost", about(megabytes<<20))
	}
	if idle := x.settings["idle_replication_slot_timeout"]; idle != "" && idle != "0" {
		x.say(connect.Warning, []string{"ALTER SYSTEM SET idle_replication_slot_timeout = 0", "SELECT pg_reload_conf()"},
			"idle_replication_slot_timeout is %s s: a connector that is stopped for longer loses its slot", idle)
	}
	if x.standby && x.version < 160000 {
		x.say(connect.Problem, nil, "this server is a standby: logical replication from one needs PostgreSQL 16; connect to the primary")
	} else if x.standby && x.settings["hot_standby_feedback"] != "on" {
		x.say(connect.Warning, []string{"ALTER SYSTEM SET hot_standby_feedback = on", "SELECT pg_reload_conf()"},
			"this server is a standby and hot_standby_feedback is off: the primary may remove rows of the catalog that the slot needs, which loses the slot")
	}
	if x.source.config.Failover && x.version >= 170000 && x.settings["synchronized_standby_slots"] == "" && !x.standby {
		x.say(connect.Note, nil, "synchronized_standby_slots is not set: changes may reach Kafka before a standby has them, and after a fail-over to it they have never happened; name the standbys' physical slots in it")
	}
}

// captured looks for the tables.
func (x *examination) captured(ctx context.Context) (err error) {
	s := x.source
	if x.tables, err = x.catalog.captured(ctx, s.capture); err != nil {
		return err
	}
	if len(x.tables) == 0 {
		x.say(connect.Problem, nil, "%v", s.noTables())
		return nil
	}
	x.say(connect.Good, nil, "captured: %s", tableNames(x.tables))
	for _, name := range missingTables(s.config.TablesIn, x.tables) {
		x.say(connect.Problem, nil, "table %q of table.include.list does not exist in database %q; create it, or remove it from the list", name, s.config.Database)
	}
	return nil
}

// role looks at what the role may do.
func (x *examination) role(ctx context.Context) error {
	found, err := x.source.checkRole(ctx, x.catalog, x.tables)
	if err == nil && len(found) == 0 {
		x.say(connect.Good, nil, "role %q may replicate and read these tables", x.source.config.User)
	}
	x.sayAll(found)
	return err
}

// own looks at the connector's slot.
func (x *examination) own(ctx context.Context) error {
	s := x.source
	if !s.config.streams() {
		return nil
	}
	found, err := s.checkSlot(ctx, x.catalog, x.tables)
	if err != nil || len(found) > 0 {
		x.sayAll(found)
		return err
	}
	if x.slot, err = s.slot(ctx, x.catalog); err != nil {
		return err
	}
	switch k := x.slot; {
	case k.missing:
		x.say(connect.Good, nil, "slot %q is created at the first start", s.config.Slot)
	case k.lost:
		x.say(connect.Warning, nil, "%v: the tables are read again", s.lost(k))
	default:
		x.say(connect.Good, nil, "slot %q exists, confirmed up to %s, keeps %s of WAL", s.config.Slot, k.confirmed, about(int64(k.walEnd-k.restart)))
	}
	return nil
}

// room counts the slots and senders that are free.
func (x *examination) room(ctx context.Context) error {
	var slots, senders int
	if err := x.catalog.row(ctx, "SELECT (SELECT count(*) FROM pg_replication_slots)::int, (SELECT count(*) FROM pg_stat_replication)::int", nil, &slots, &senders); err != nil {
		return err
	}
	most, _ := strconv.Atoi(x.settings["max_wal_senders"])
	if senders >= most && x.slot.pid == 0 {
		x.say(connect.Problem, []string{fmt.Sprintf("ALTER SYSTEM SET max_wal_senders = %d", most+10)}, "all %d WAL senders are in use; max_wal_senders changes with a restart of the server", most)
	}
	x.say(connect.Good, nil, "%d of %s replication slots and %d of %d WAL senders are in use", slots, x.settings["max_replication_slots"], senders, most)
	return nil
}

// others looks for slots that nobody reads and that keep WAL all the same.
func (x *examination) others(ctx context.Context) error {
	return x.catalog.each(ctx, "SELECT slot_name::text, coalesce(pg_wal_lsn_diff("+walEndSQL+`, restart_lsn), 0)::bigint
		FROM pg_replication_slots WHERE NOT active AND slot_name <> $1 ORDER BY 2 DESC, 1`, []any{x.source.config.Slot}, func(rows pgx.Rows) error {
		var name string
		var keeps int64
		err := rows.Scan(&name, &keeps)
		if keeps >= idleKeeps {
			x.say(connect.Warning, []string{"SELECT pg_drop_replication_slot(" + literal(name) + ")"}, "slot %q is read by nobody and keeps %s of WAL; start its reader, or drop it", name, about(keeps))
		}
		return err
	})
}

// transactions looks for what the creation of the slot would wait for.
func (x *examination) transactions(ctx context.Context) error {
	if !x.slot.missing {
		return nil
	}
	return x.catalog.each(ctx, `SELECT 'SELECT pg_terminate_backend(' || pid || ')', 'PID ' || pid, extract(epoch FROM now() - xact_start)::int FROM pg_stat_activity
		WHERE xact_start < now() - make_interval(secs => $1) AND backend_xid IS NOT NULL
		UNION ALL SELECT 'ROLLBACK PREPARED ' || quote_literal(gid), 'prepared as ' || quote_literal(gid), extract(epoch FROM now() - prepared)::int FROM pg_prepared_xacts
		WHERE prepared < now() - make_interval(secs => $1) ORDER BY 3 DESC`, []any{x.open.Seconds()}, func(rows pgx.Rows) error {
		var mend, who string
		var seconds int
		err := rows.Scan(&mend, &who, &seconds)
		x.say(connect.Warning, []string{mend}, "a transaction is open for %s (%s): the slot's creation waits for its end", time.Duration(seconds)*time.Second, who)
		return err
	})
}

// tableNames are the first few tables, and how many there are.
func tableNames(tables []relation) string {
	const few = 5
	var names []string
	for _, r := range tables[:min(few, len(tables))] {
		names = append(names, r.String())
	}
	if more := len(tables) - few; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
