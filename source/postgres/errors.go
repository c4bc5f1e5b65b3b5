package postgres

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/internal/dial"
)

// classify marks the errors that cannot heal by themselves as permanent, and adds what helps.
func (s *Source) classify(err error) error {
	if err == nil || connect.IsPermanent(err) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if hint := s.hint(pg); hint != "" {
		err = fmt.Errorf("%w; %s", err, hint)
	}
	if permanent(pg.Code) {
		return connect.Permanent(err)
	}
	return err
}

// permanent says whether an error of this SQLSTATE stays until somebody changes something.
func permanent(code string) bool {
	switch code {
	case "55006": // object_in_use: the slot's other reader may go away
		return false
	case "42710": // duplicate_object: a slot that the process before was creating when it ended
		return false
	case "55000", "58P01": // the slot has lost its WAL, or is none for logical decoding
		return true
	}
	switch code[:min(2, len(code))] {
	case "28", "3D", "3F", "42", "0A":
		return true
	}
	return false
}

// hint is what to do about an error, when we know it.
func (s *Source) hint(pg *pgconn.PgError) string {
	c := s.config
	switch pg.Code {
	case "28P01":
		return "check database.user and database.password"
	case "28000":
		return fmt.Sprintf("see pg_hba.conf, or run ALTER ROLE %s LOGIN", identifier(c.User))
	case "3D000":
		return "check database.dbname"
	case "42501":
		if strings.Contains(pg.Message, "replication") || strings.Contains(pg.Hint, "REPLICATION") {
			return fmt.Sprintf("run ALTER ROLE %s REPLICATION", identifier(c.User))
		}
		if strings.Contains(pg.Message, "for table") {
			return fmt.Sprintf("run GRANT SELECT ON the table TO %s", identifier(c.User))
		}
	case "53300":
		return "raise max_connections or max_wal_senders, or close other connections"
	case "53400":
		return "raise max_replication_slots, or drop a slot that nobody reads"
	case "55000", "58P01":
		if !strings.Contains(pg.Message, "no longer") && !strings.Contains(pg.Message, "removed") && !strings.Contains(pg.Message, "invalidated") {
			return ""
		}
		return "changes are lost; set snapshot.mode to when_needed to read the tables again"
	}
	return ""
}

// connectError says where we connected to and what helps, and not with what settings, as the
// driver does at length.
func (s *Source) connectError(err error) error {
	where := fmt.Sprintf("connect to %s as %q", s.config.address(), s.config.User)
	var untrusted *tls.CertificateVerificationError
	switch short := shortened(err); {
	case errors.As(err, new(*pgconn.PgError)):
		return fmt.Errorf("%s: %w", where, short) // classify knows what helps
	case errors.As(err, &untrusted):
		return fmt.Errorf("%s: %w; put the authority that has signed it into database.sslrootcert, or correct database.hostname", where, short)
	case strings.Contains(short.Error(), "TLS"):
		return fmt.Errorf("%s: %w; turn ssl on there, or correct database.sslmode", where, short)
	default:
		return fmt.Errorf("%s: %w; check database.hostname and database.port, and that PostgreSQL runs there", where, short)
	}
}

// shortened is err without the layers that the driver puts around a cause: the settings that it
// connected with, and its own steps.
func shortened(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return &serverError{pg}
	}
	return &networkError{err}
}

// answer is err as a serverError when it is the server's own answer, and as it is otherwise.
func answer(err error) error {
	if pg, ok := err.(*pgconn.PgError); ok {
		return &serverError{pg}
	}
	return err
}

// serverError prints an answer of the server without its severity, which says nothing here.
type serverError struct{ *pgconn.PgError }

func (e *serverError) Error() string { return fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code) }
func (e *serverError) Unwrap() error { return e.PgError }

// networkError prints only the cause.
type networkError struct{ error }

func (e *networkError) Error() string { return dial.Cause(e.error) }
func (e *networkError) Unwrap() error { return e.error }

// findings are all that a check has found, in one line.
type findings []error

func (f findings) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; also: ")
}

func (f findings) Unwrap() []error { return f }
