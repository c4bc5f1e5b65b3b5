package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"connectd/connect"
	"connectd/internal/dial"
)

// Codes of the server's errors.
// See https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp.
const (
	codeNoSuchColumn       = 16
	codeReadAllData        = 33
	codeUnknownTable       = 60
	codeUnknownDatabase    = 81
	codeUnknownSetting     = 115
	codeTooLargeString     = 131
	codeReadonly           = 164
	codeUnknownUser        = 192
	codeWrongPassword      = 193
	codeRequiredPassword   = 194
	codeTooManyParts       = 252
	codeSettingConstraint  = 452
	codeConstraint         = 469
	codeAccessDenied       = 497
	codeAuthentication     = 516
	codeInsertQuorumFailed = 285
)

// codeOf is the server's code for err; 0 when it is not the server's.
func codeOf(err error) int {
	var http *clickhouse.Exception
	if errors.As(err, &http) {
		return int(http.Code)
	}
	var native *ch.Exception
	if errors.As(err, &native) {
		return int(native.Code)
	}
	return 0
}

// transient says whether an insert may succeed when it is simply sent again: what came not from
// the server (the network, a timeout), and what the server calls a matter of time.
func transient(err error) bool {
	switch codeOf(err) {
	case 0, 3, 107, 159, 202, 203, 209, 210, 241, 242, codeTooManyParts, codeInsertQuorumFailed, 319, 425, 999:
		return true
	}
	return false
}

// explain says what was being done, and what helps when it is known. What waiting can not heal is
// permanent; everything else is tried again by the runtime, with a writer that reads the tables
// anew, so that a table which has changed in between is no special case.
func (c *client) explain(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, &cause{err})
	hint := ""
	switch codeOf(err) {
	case codeAuthentication, codeUnknownUser, codeWrongPassword, codeRequiredPassword:
		hint = "check username and password"
	case codeAccessDenied:
		hint = fmt.Sprintf("grant user %s what the message names", c.cfg.Username)
	case codeReadonly:
		hint = fmt.Sprintf("user %s may only read, or may not change a setting; use a user with readonly = 0", c.cfg.Username)
	case codeUnknownDatabase:
		hint = fmt.Sprintf("create database %s, or correct database", c.cfg.Database)
	case codeUnknownSetting, codeSettingConstraint:
		hint = "correct clickhouseSettings"
	case codeTooManyParts:
		return fmt.Errorf("%w; raise batch.max.rows and linger.ms, so that there are fewer inserts", wrapped)
	case codeNoSuchColumn, codeReadAllData, codeUnknownTable, codeTooLargeString:
		return fmt.Errorf("the table has changed, its columns are read again: %w", wrapped)
	case 0:
		if proxy := c.cfg.proxy(); proxy != nil {
			return fmt.Errorf("%w; check hostname and port, and proxyHost and proxyPort, for the way is through %s", wrapped, proxy.Host)
		}
		if errors.As(err, new(net.Error)) {
			return fmt.Errorf("%w; check hostname and port, and that ClickHouse runs there", wrapped)
		}
		return wrapped
	default:
		return wrapped
	}
	return connect.Permanent(fmt.Errorf("%w; %s", wrapped, hint))
}

// cause prints an error without the steps of the client library and the server's own trimmings.
type cause struct{ error }

func (c *cause) Unwrap() error { return c.error }

func (c *cause) Error() string {
	var (
		http   *clickhouse.Exception
		native *ch.Exception
		status *clickhouse.HTTPError
	)
	switch {
	case errors.As(c.error, &http):
		return fmt.Sprintf("%s (code %d)", plain(http.Message), http.Code)
	case errors.As(c.error, &native):
		return fmt.Sprintf("%s (code %d)", plain(native.Message), native.Code)
	case errors.As(c.error, &status):
		return fmt.Sprintf("HTTP status %d: %s", status.StatusCode, dial.Cause(status.Err))
	}
	return dial.Cause(c.error)
}

// trimmings are what a server puts behind a message: the name of the error and its own version.
var trimmings = regexp.MustCompile(`\.?( \([A-Z_0-9]+\))?( \(version [^)]*(\([^)]*\))?\))?\.?$`)

// plain is the first line of a server's message, without trimmings.
func plain(message string) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(message, "DB::Exception: "), "\n")
	return trimmings.ReplaceAllString(strings.TrimSpace(line), "")
}

// violated finds the row in the server's message about a constraint.
var violated = regexp.MustCompile(`is violated at row (\d+)`)
