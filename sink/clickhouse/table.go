package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectd/connect"
)

// Columns that say where a row came from. They are filled in wherever a table has them.
const (
	topicColumn     = "_topic"
	partitionColumn = "_partition"
	offsetColumn    = "_offset"
)

// table is a target table as one partition's writer sees it: its columns, how records map to
// them, and the blocks of rows that wait for the flush.
type table struct {
	place
	quoted      string // with the database, for statements
	topic       []byte
	engine      string
	full        string // engine with its arguments and settings
	columns     []tableColumn
	byName      map[string]int
	sorting     []string // columns of the sorting key
	version     int      // place of the version column, or -1
	deleted     int      // place of the column that marks deleted rows, or -1
	read        time.Time
	mappings    map[schemas]*mapping
	last        *mapping // the newest one used, by lastSchemas
	lastSchemas schemas
	blocks      []*block  // in the order of their first rows
	waiting     []waiting // rows with values to be looked up
	versions    versions
	skips       bool // deletes are left out, and the log says so
	looked      bool // the columns were read again in this range
}

// tableColumn is a column that an INSERT may name.
type tableColumn struct {
	name, kind string
	expression bool // has a DEFAULT: leaving it out is not the same as its type's zero
}

// errNoTable is a table that does not exist.
type errNoTable struct{ table string }

func (e errNoTable) Error() string { return "table " + e.table + " does not exist" }

// inspect reads what the server knows of the table at p.
func (c *client) inspect(ctx context.Context, p place) (*table, error) {
	t := &table{place: p, quoted: p.quoted(), version: -1, deleted: -1, read: time.Now()}
	var sorting string
	rows, err := c.conn.Query(ctx, "SELECT engine, engine_full, sorting_key FROM system.tables WHERE database = "+
		quoteText(p.database)+" AND name = "+quoteText(p.table))
	if err != nil {
		return nil, c.explain("inspect table "+t.quoted, err)
	}
	found := false
	for rows.Next() {
		found = true
		err = rows.Scan(&t.engine, &t.full, &sorting)
	}
	if err == nil {
		err = rows.Err()
	}
	rows.Close()
	if err != nil {
		return nil, c.explain("inspect table "+t.quoted, err)
	}
	if !found {
		return nil, errNoTable{t.quoted}
	}
	if err := c.readColumns(ctx, t); err != nil {
		return nil, err
	}
	if inner := balanced(sorting); inner != "" && len(inner) == len(sorting)-2 {
		sorting = inner
	}
	if args, err := splitArgs(sorting); err == nil {
		for _, a := range args {
			t.sorting = append(t.sorting, strings.Trim(a, "`"))
		}
	}
	t.findRoles(c.cfg)
	return t, nil
}

// readColumns reads the columns that an INSERT may name.
func (c *client) readColumns(ctx context.Context, t *table) error {
	rows, err := c.conn.Query(ctx, "SELECT name, type, default_kind FROM system.columns WHERE database = "+
		quoteText(t.database)+" AND table = "+quoteText(t.table)+
		" AND default_kind NOT IN ('MATERIALIZED', 'ALIAS')")
	if err != nil {
		return c.explain("read the columns of "+t.quoted, err)
	}
	defer rows.Close()
	t.columns, t.byName = nil, make(map[string]int)
	for rows.Next() {
		var col tableColumn
		var kind string
		if err := rows.Scan(&col.name, &col.kind, &kind); err != nil {
			return c.explain("read the columns of "+t.quoted, err)
		}
		col.expression = kind != ""
		t.byName[col.name] = len(t.columns)
		t.columns = append(t.columns, col)
	}
	if err := rows.Err(); err != nil {
		return c.explain("read the columns of "+t.quoted, err)
	}
	t.mappings, t.last = make(map[schemas]*mapping), nil
	return nil
}

// findRoles finds the version and delete columns: the engine's arguments say which they are,
// otherwise their names do.
func (t *table) findRoles(cfg *Config) {
	t.version, t.deleted = t.index(cfg.Version), t.index(cfg.Deleted)
	open := strings.IndexByte(t.full, '(')
	if !strings.HasSuffix(t.engine, "ReplacingMergeTree") || open < 0 || strings.TrimSpace(t.full[:open]) != t.engine {
		return
	}
	args, err := splitArgs(balanced(t.full[open:]))
	if err != nil {
		return
	}
	// The replicated engines have the path and the replica's name first.
	for len(args) > 0 && strings.HasPrefix(args[0], "'") {
		args = args[1:]
	}
	if len(args) > 0 {
		t.version = t.index(strings.Trim(args[0], "`"))
	}
	if len(args) > 1 {
		t.deleted = t.index(strings.Trim(args[1], "`"))
	}
}

// balanced is what is inside the parenthesis that s begins with; empty when it begins with none.
func balanced(s string) string {
	if !strings.HasPrefix(s, "(") {
		return ""
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '`':
			if i = closingQuote(s, i); i < 0 {
				return ""
			}
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i]
			}
		}
	}
	return ""
}

// replaces says whether the newest version of a row takes the place of the others: a column of that
// name alone does not.
func (t *table) replaces() bool {
	return strings.HasSuffix(t.engine, "ReplacingMergeTree") && t.version >= 0 && len(t.sorting) > 0
}

// index is the place of the column called name, or -1.
func (t *table) index(name string) int {
	if i, ok := t.byName[name]; ok {
		return i
	}
	return -1
}

var windowSetting = regexp.MustCompile(`\b((?:non_)?replicated_deduplication_window(?:_seconds)?) = (\d+)`)

// checkDelivery makes sure that the table recognises an insert that it has seen before, or says
// why it can not.
func (c *client) checkDelivery(ctx context.Context, t *table, log *slog.Logger) error {
	if !c.cfg.ExactlyOnce || c.cfg.AcceptAtLeast {
		return nil
	}
	if !strings.HasSuffix(t.engine, "MergeTree") {
		return connect.Permanent(fmt.Errorf("table %s has engine %s, which does not recognise an insert that it has seen before; write to a MergeTree table, or set accept.at.least.once: true and accept doubled rows after a crash", t.quoted, t.engine))
	}
	if !c.server.has["insert_deduplication_token"] {
		return connect.Permanent(fmt.Errorf("ClickHouse %s at %s does not know insert_deduplication_token; use 22.2 or newer, or set exactlyOnce: false and accept doubled rows after a crash", c.server.version, c.at.addr))
	}
	if strings.Contains(t.full, "with_cleanup = 1") {
		log.Warn("cleanup merges are on: a replay after one brings deleted rows back until the next delete of the key", "table", t.table)
	}
	name, window := c.window(t)
	if window > 0 {
		return nil
	}
	alter := fmt.Sprintf("ALTER TABLE %s%s MODIFY SETTING %s = %d", t.quoted, c.onCluster(), name, dedupWindow)
	if !c.cfg.ManageWindow {
		return connect.Permanent(fmt.Errorf("table %s keeps no deduplication window, so a retried insert would double its rows; run %s", t.quoted, alter))
	}
	if err := c.exec(ctx, alter); err != nil {
		return c.explain("run "+alter, err)
	}
	log.Info("deduplication window set", "table", t.table, "inserts", dedupWindow)
	return nil
}

// window is the setting that says how many inserts the table remembers, and its value.
func (c *client) window(t *table) (setting string, inserts int64) {
	setting, inserts = "non_replicated_deduplication_window", c.server.window
	if replicated(t.engine) {
		setting, inserts = "replicated_deduplication_window", c.server.replicatedWindow
	}
	return setting, t.setting(setting, inserts)
}

// windowSeconds is how long a replicated table remembers inserts; 0 for others, which count only.
func (c *client) windowSeconds(t *table) int64 {
	if !replicated(t.engine) {
		return 0
	}
	return t.setting("replicated_deduplication_window_seconds", c.server.replicatedSeconds)
}

// setting is the table's own value of a window's setting, or otherwise the server's.
func (t *table) setting(name string, otherwise int64) int64 {
	for _, m := range windowSetting.FindAllStringSubmatch(t.full, -1) {
		if m[1] == name {
			otherwise, _ = strconv.ParseInt(m[2], 10, 64)
		}
	}
	return otherwise
}

// dedupWindow is how many inserts a table remembers: hours of work at one flush a second.
const dedupWindow = 10000

// refresh reads the columns again. The blocks stay as they are and go on: where one ends must
// depend on nothing but the records of the range.
func (c *client) refresh(ctx context.Context, t *table) error {
	fresh, err := c.inspect(ctx, t.place)
	if err != nil {
		return err
	}
	t.engine, t.full, t.columns, t.byName, t.sorting = fresh.engine, fresh.full, fresh.columns, fresh.byName, fresh.sorting
	t.version, t.deleted, t.read = fresh.version, fresh.deleted, fresh.read
	t.mappings, t.last = fresh.mappings, nil
	return nil
}
