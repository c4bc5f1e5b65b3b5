package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"connectd/connect"
)

// maxRejected is how many refused records one search finds; the next flush finds the rest.
const maxRejected = 1000

// pushing is in the message when a materialized view of the table is what refuses. The table's own
// rows may be stored by then, so none of them can be left out any more.
const pushing = "while pushing to view"

// dataCodes are the errors that a value can be to blame for: what the server parses and computes
// at an INSERT (JSON columns, MATERIALIZED and DEFAULT columns, constraints, the partition key).
var dataCodes = map[int]bool{
	6: true, 25: true, 26: true, 27: true, 38: true, 41: true, 69: true, 70: true, 72: true,
	117: true, 130: true, 153: true, 190: true, 321: true, 349: true, 376: true, 395: true, 407: true,
	441: true, 467: true, codeConstraint: true, 675: true, 676: true, 691: true,
}

// reject finds the rows of b that the server refuses with cause, and reports their records; the
// runtime gives the range again without them. Nothing of b is stored then: the server evaluates a
// block as a whole before it writes it. The blocks before b are sent again under their old tokens,
// which is to say not at all.
func (w *Writer) reject(ctx context.Context, t *table, b *block, r string, cause error) error {
	switch {
	case !dataCodes[codeOf(cause)]:
		return cause
	case strings.Contains(messageOf(cause), pushing):
		return connect.Permanent(fmt.Errorf("%w; a materialized view refuses rows that table %s may have taken already, so none is left out: correct or drop the view and restart the task, which sends the same rows again under the same token", cause, t.quoted))
	}
	changed, err := w.changed(ctx, t)
	switch {
	case err != nil:
		return err
	case changed:
		return fmt.Errorf("the table has changed, its columns are read again: %w", cause)
	}
	s, err := w.newSearch(ctx, t, b)
	if err != nil {
		return err
	}
	defer func() { _ = s.hangUp() }() // the session of a native connection, and the copy with it
	err = s.rows(ctx, 0, b.rows)
	if named := violatedRow(cause); connect.IsPermanent(err) && 0 <= named && named < b.rows {
		err = s.note(named, cause) // without the right to search there is this one, and the next the next time
	}
	switch {
	case len(s.found) > 0:
		return &connect.RecordErrors{Partition: r, Failed: s.found}
	case err == nil:
		return connect.Permanent(fmt.Errorf("%w; no row is refused by the columns of table %s alone: look at its projections and indexes", cause, t.quoted))
	}
	return err
}

// messageOf is the server's own words.
func messageOf(err error) string {
	var http *clickhouse.Exception
	if errors.As(err, &http) {
		return http.Message
	}
	var native *ch.Exception
	if errors.As(err, &native) {
		return native.Message
	}
	return ""
}

// changed says whether t has other columns than when it was read.
func (w *Writer) changed(ctx context.Context, t *table) (bool, error) {
	now, err := w.inspect(ctx, t.place)
	if err != nil {
		return false, err
	}
	for i := range t.columns {
		c := &t.columns[i]
		if at := now.index(c.name); at < 0 || now.columns[at] != *c {
			return true, nil
		}
	}
	return len(now.columns) != len(t.columns), nil
}

// search inserts rows of a block into an empty copy of its table, which only this session sees and
// which no view reads, and notes those that it does not take.
type search struct {
	*client
	table  *table // the copy
	real   *table
	block  *block
	create string
	scope  string // HTTP: the id of the session
	found  []connect.RecordError
}

const copyName = "_connectd_refused"

func (w *Writer) newSearch(ctx context.Context, t *table, b *block) (*search, error) {
	var partition string
	if err := w.conn.QueryRow(ctx, "SELECT partition_key FROM system.tables WHERE database = "+quoteText(t.database)+" AND name = "+quoteText(t.table)).Scan(&partition); err != nil {
		return nil, w.explain("read the partition key of "+t.quoted, err)
	}
	s := &search{real: t, block: b, table: &table{quoted: quoteName(copyName)}}
	s.create = "CREATE TEMPORARY TABLE IF NOT EXISTS " + s.table.quoted + " AS " + t.quoted + " ENGINE = MergeTree "
	if partition != "" {
		s.create += "PARTITION BY (" + partition + ") "
	}
	s.create += "ORDER BY tuple() SETTINGS allow_nullable_key = 1"
	// Settings of an INSERT into the copy; the native connection is a session by itself.
	own, cfg := *w.client, *w.cfg
	cfg.Settings = maps.Clone(cfg.Settings)
	if cfg.Settings == nil {
		cfg.Settings = map[string]string{}
	}
	if !w.at.native {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		s.scope = hex.EncodeToString(id[:])
		cfg.Settings["session_id"] = s.scope
	}
	own.cfg, own.native, own.idle, s.client = &cfg, nil, new(connections), &own
	return s, nil
}

var errEnough = errors.New("enough refused records were found")

// rows tries the rows from from to to, and halves them until those that are refused are alone.
func (s *search) rows(ctx context.Context, from, to int) error {
	for from < to {
		err := s.try(ctx, from, to)
		if err == nil {
			return nil
		}
		if !dataCodes[codeOf(err)] {
			return s.explain("look for the rows that "+s.real.quoted+" refuses, in a temporary table", err)
		}
		bad := from + violatedRow(err)
		switch {
		case bad >= from && bad < to:
			// The server has named the row of a constraint; others may refuse one before it.
			if err := s.rows(ctx, from, bad); err != nil {
				return err
			}
		case to-from == 1:
			bad = from
		default:
			middle := from + (to-from)/2
			if err := s.rows(ctx, from, middle); err != nil {
				return err
			}
			from = middle
			continue
		}
		if err := s.note(bad, err); err != nil {
			return err
		}
		from = bad + 1
	}
	return nil
}

// note remembers that the server refuses the row for err.
func (s *search) note(row int, err error) error {
	text := inCopy.ReplaceAllString(plain(messageOf(err)), "")
	s.found = append(s.found, connect.RecordError{
		Offset: s.block.offsets.of(row),
		Err:    fmt.Errorf("insert into %s: %w", s.real.quoted, &refusal{err, fmt.Sprintf("%s (code %d)", text, codeOf(err))}),
	})
	if len(s.found) == maxRejected {
		return errEnough
	}
	return nil
}

// inCopy is what a message says of the copy and of the place in it.
var inCopy = regexp.MustCompile(`( for table \S+( \([0-9a-f-]+\))?| at row \d+)`)

// refusal is the server's error about one row, without what is true of the copy only.
type refusal struct {
	error
	text string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.error }

// try inserts the rows from from to to into the copy.
func (s *search) try(ctx context.Context, from, to int) error {
	if err := s.exec(ctx, s.create); err != nil {
		return err
	}
	part := &block{rows: to - from}
	for _, c := range s.block.columns {
		c.cells = &cut{c.cells, from, to}
		part.columns = append(part.columns, c)
	}
	return s.attempt(ctx, s.table, part, "")
}

// exec runs a statement in the session of the inserts.
func (s *search) exec(ctx context.Context, sql string) error {
	if s.scope != "" {
		return s.conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"session_id": s.scope})), sql)
	}
	if err := s.dial(ctx); err != nil {
		return err
	}
	return s.native.Do(ctx, ch.Query{Body: sql})
}

// violatedRow is the place of the row that the server names in a message about a constraint; -1
// when it names none.
func violatedRow(err error) int {
	m := violated.FindStringSubmatch(messageOf(err))
	if m == nil {
		return -1
	}
	n, convErr := strconv.Atoi(m[1])
	if convErr != nil {
		return -1
	}
	return n - 1
}
