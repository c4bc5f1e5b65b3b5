package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/record"
)

// reselect reads columns of a table again that a change does not have: the post processor of the
// same name. What it reads is the row's newest state, which may be younger than the change.
type reselect struct {
	columns []int // of the table's: those that may be read again
	key     []int // of the table's: what finds the row
	warn    sync.Once
}

// reselection is what is read again of t, nil for nothing. key are the columns of its primary key.
func (s *Source) reselection(t *table, key []string) *reselect {
	if len(s.config.Processors) == 0 {
		return nil
	}
	if s.config.EventKey {
		key = nil
		for _, f := range t.key {
			key = append(key, t.columns[slices.IndexFunc(t.columns, func(c column) bool { return c.cell == f })].name)
		}
	}
	r := &reselect{}
	for i, col := range t.columns {
		name := t.String() + ":" + col.name
		switch {
		case slices.Contains(key, col.name):
			r.key = append(r.key, i)
		case col.cell >= 0 && (len(s.reselectIn) == 0 || s.reselectIn.match(name)) && !s.reselectOut.match(name):
			r.columns = append(r.columns, i)
		}
	}
	if len(r.key) == 0 || len(r.columns) == 0 {
		return nil
	}
	return r
}

// reselect reads again what the new row of t lacks. tuple is the row as the server sent it, and
// cells what was decoded from it.
func (st *stream) reselect(ctx context.Context, t *table, tuple []byte, cells []record.Value) error {
	parts, err := cut(t, tuple)
	if err != nil {
		return err
	}
	c := st.source.config
	var wanted []*column
	for _, i := range t.reselect.columns {
		col := &t.columns[i]
		if kind := parts[i].kind; kind == tupleNull && c.Nulls || kind == tupleUnchanged && c.Missing && equal(cells[col.cell], col.unchanged) {
			wanted = append(wanted, col)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	values, err := st.readAgain(ctx, t, wanted, parts)
	if err == nil && values == nil {
		err = errors.New("the row is not there any more")
	}
	if err != nil {
		err = fmt.Errorf("read columns of table %s again: %w", t, err)
		if errors.Is(err, errCatalog) || c.OnError == "fail" {
			return err
		}
		t.reselect.warn.Do(func() { st.source.log.Warn("values stay as they were sent", "err", err) })
		return nil
	}
	for i, col := range wanted {
		if values[i] == nil {
			cells[col.cell] = col.null
		} else if err := col.decode(&cells[col.cell], st.out.batch, st.out.batch.Copy(values[i])); err != nil {
			return fmt.Errorf("table %s, column %q: %w", t, col.name, err)
		}
	}
	return nil
}

// visibleWithin is how long a committed transaction may be invisible to others: until its locks
// are released, and with synchronous replication until a standby has it.
const visibleWithin = 5 * time.Second

// readAgain are the texts of the columns in the row whose key parts has; nil without a row. A
// transaction may be sent before others see it: what they see then is older than the change.
func (st *stream) readAgain(ctx context.Context, t *table, columns []*column, parts []part) ([][]byte, error) {
	q := t.reselect.query(t, columns, parts)
	limit := time.Now().Add(visibleWithin)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		var row [][]byte
		err := st.catalog.do(ctx, func(ctx context.Context, db *pgx.Conn, _ *bool) error {
			result := db.PgConn().ExecParams(ctx, q.sql, q.args, q.types, q.formats, nil).Read()
			if result.Err == nil {
				row = result.Rows[0]
			}
			return result.Err
		})
		if pg := (*pgconn.PgError)(nil); err != nil && !(errors.As(err, &pg) && permanent(pg.Code)) {
			return nil, fmt.Errorf("%w: %w", errCatalog, err) // perhaps the server is gone: the change comes again
		}
		if err != nil {
			return nil, err
		}
		switch {
		case !visible(string(row[0]), st.tx.id) && time.Now().Before(limit):
			if err := pause(ctx, wait); err != nil {
				return nil, err
			}
		case row[1] == nil:
			return nil, nil
		default:
			return row[2:], nil
		}
	}
}

// query is a statement with what it needs.
type query struct {
	sql     string
	args    [][]byte
	types   []uint32
	formats []int16
}

// query reads the server's snapshot, whether the row is there, and the columns.
func (r *reselect) query(t *table, columns []*column, parts []part) (q query) {
	var names, where []string
	for _, c := range columns {
		names = append(names, "r."+identifier(c.name))
	}
	for _, i := range r.key {
		q.args, q.types, q.formats = append(q.args, parts[i].value), append(q.types, t.sent[i].typeID), append(q.formats, parts[i].format())
		where = append(where, fmt.Sprintf("r.%s = $%d", identifier(t.columns[i].name), len(q.args)))
	}
	q.sql = fmt.Sprintf("SELECT s::text, (r.tableoid IS NOT NULL OR NULL), %s FROM pg_current_snapshot() s LEFT JOIN %s.%s r ON %s",
		strings.Join(names, ", "), identifier(t.schema), identifier(t.name), strings.Join(where, " AND "))
	return q
}

// visible says whether the snapshot sees what the transaction has done.
func visible(snapshot string, id uint32) bool {
	v, err := parseVisibility(snapshot, false)
	return err != nil || v.shows(id)
}

// part is one value of a tuple as it was sent.
type part struct {
	kind  byte
	value []byte
}

// format is the protocol's code of the value's format.
func (p part) format() int16 {
	if p.kind == tupleText {
		return 0
	}
	return 1
}

// cut cuts a tuple of t into its values.
func cut(t *table, tuple []byte) ([]part, error) {
	m := message{rest: tuple}
	parts := make([]part, m.uint16())
	if len(parts) != len(t.columns) {
		return nil, t.errColumns(len(parts))
	}
	for i := range parts {
		parts[i].kind = m.byte()
		if parts[i].kind != tupleNull && parts[i].kind != tupleUnchanged {
			parts[i].value = m.bytes(int(int32(m.uint32())))
		}
	}
	return parts, m.err()
}
