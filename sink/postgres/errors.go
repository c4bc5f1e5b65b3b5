package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/internal/dial"
)

// SQLSTATEs that are looked at one by one.
const (
	cardinalityViolation  = "21000" // ON CONFLICT would touch a row twice
	uniqueViolation       = "23505"
	insufficientPrivilege = "42501"
	undefinedColumn       = "42703"
	undefinedTable        = "42P01"
	duplicateTable        = "42P07"
	duplicateColumn       = "42701"
	duplicateObject       = "42710"
	datatypeMismatch      = "42804"
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	lockNotAvailable      = "55P03"
	readOnlyTransaction   = "25006"
	invalidBinary         = "22P03"
	protocolViolation     = "08P01"
	internalError         = "XX000"
)

// class is what can be done about an error.
type class int

const (
	transient class = iota // heals by itself: an outage, a restart, a full disk
	conflict               // another transaction was in the way: again at once
	drift                  // the table is not what the catalog says: read it again
	rejected               // a row is not acceptable: find it
	permanent              // somebody has to change something
)

// classOf sorts the errors of a flush by SQLSTATE. What is no answer of the server is an outage.
func classOf(err error) class {
	var e *pgconn.PgError
	if connect.IsPermanent(err) {
		return permanent
	}
	if errors.Is(err, errTypesChanged) {
		return drift
	}
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return transient
	}
	switch e.Code {
	case serializationFailure, deadlockDetected, lockNotAvailable:
		return conflict
	case undefinedColumn, undefinedTable, datatypeMismatch:
		return drift
	case readOnlyTransaction: // a failed-over server's old primary
		return transient
	}
	if (e.Code == invalidBinary || e.Code == protocolViolation) && strings.HasPrefix(e.Where, "COPY ") {
		return drift // a column has another type than when its binary form was chosen
	}
	if e.Code == internalError && strings.HasPrefix(e.Where, "COPY ") && strings.Contains(e.Where, ", column ") {
		return rejected // how types of extensions refuse a value that they can not read
	}
	switch e.Code[:2] {
	case "22", "23", "44", "P0": // data, constraints, views with check option, RAISE in a trigger
		return rejected
	case "08", "40", "53", "55", "57", "58", "XX":
		return transient
	}
	return permanent
}

// isRace says whether err is how PostgreSQL tells that another session has created the same
// thing in the same moment.
func isRace(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case uniqueViolation, duplicateTable, duplicateColumn, duplicateObject:
		return true
	}
	return false
}

// explain says what was being done, and marks what waiting can not heal. A nil err stays nil.
func (s *Sink) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if errors.As(err, new(net.Error)) {
			err = &networkError{err}
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	out := fmt.Errorf("%s: %w", doing, &serverError{e})
	if classOf(err) != permanent {
		return out
	}
	switch e.Code {
	case insufficientPrivilege:
		out = fmt.Errorf("%w; %s", out, grant(e.Message, quote(s.pool.server.User)))
	case "42P10":
		out = fmt.Errorf("%w; create a unique index on the columns of the key", out)
	case "3F000":
		out = fmt.Errorf("%w; create the schema", out)
	}
	return connect.Permanent(out)
}

// grant is what gives role the right whose lack the server complains of.
func grant(message, role string) string {
	if table, ok := strings.CutPrefix(message, "permission denied for table "); ok {
		return fmt.Sprintf("run GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", quote(table), role)
	}
	if schema, ok := strings.CutPrefix(message, "permission denied for schema "); ok {
		return fmt.Sprintf("run GRANT USAGE, CREATE ON SCHEMA %s TO %s", quote(schema), role)
	}
	if strings.HasPrefix(message, "must be owner of ") {
		return fmt.Sprintf("let the owner run it, or make %s a member of the owner's role", role)
	}
	return fmt.Sprintf("grant the role %s what is missing", role)
}

// networkError prints only the cause.
type networkError struct{ error }

func (e *networkError) Error() string { return dial.Cause(e.error) }
func (e *networkError) Unwrap() error { return e.error }

// serverError prints an answer of the server without the values of rows, which must not reach a
// log: they are in its detail, its context and quoted at the end of some messages.
type serverError struct{ *pgconn.PgError }

func (e *serverError) Error() string {
	var s strings.Builder
	message, _, _ := strings.Cut(e.Message, `: "`)
	s.WriteString(message)
	if column := e.column(); column != "" {
		fmt.Fprintf(&s, ", column %q", column)
	}
	if e.ConstraintName != "" {
		fmt.Fprintf(&s, ", constraint %q", e.ConstraintName)
	}
	fmt.Fprintf(&s, " (SQLSTATE %s)", e.Code)
	return s.String()
}

func (e *serverError) Unwrap() error { return e.PgError }

// column is the column that the server names. COPY names it in the context only:
// COPY orders, line 3, column amount: "abc".
func (e *serverError) column() string {
	if e.ColumnName != "" {
		return e.ColumnName
	}
	if _, after, ok := strings.Cut(e.Where, ", column "); ok && strings.HasPrefix(e.Where, "COPY ") {
		column, _, _ := strings.Cut(after, ":")
		return column
	}
	return ""
}
