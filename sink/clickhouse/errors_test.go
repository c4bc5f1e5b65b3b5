package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestCause(t *testing.T) {
	http := func(code int32, message string) error {
		return fmt.Errorf("failed to query server hello: sendQuery: %w", &clickhouse.HTTPError{StatusCode: 403, Err: &clickhouse.Exception{Code: code, Message: message}})
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{http(516, "default: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED) (version 26.9.2.1)"),
			"default: Authentication failed: password is incorrect, or there is no user with such name (code 516)"},
		{http(516, "default: Authentication failed: password is incorrect, or there is no user with such name.\n\nIf you use ClickHouse Cloud, reset it.\n\n. (AUTHENTICATION_FAILED) (version 25.8.1.1 (official build))"),
			"default: Authentication failed: password is incorrect, or there is no user with such name (code 516)"},
		{http(497, "loader: Not enough privileges. To execute this query, it's necessary to have the grant INSERT(id) ON shop.orders. (ACCESS_DENIED) (version 25.8.1.1 (official build))"),
			"loader: Not enough privileges. To execute this query, it's necessary to have the grant INSERT(id) ON shop.orders (code 497)"},
		{&ch.Exception{Code: 81, Name: "DB::Exception", Message: "DB::Exception: Database nothing does not exist"}, "Database nothing does not exist (code 81)"},
		{fmt.Errorf("sendQuery: %w", &clickhouse.HTTPError{StatusCode: 502, Err: errors.New("Bad Gateway\n<html>")}), "HTTP status 502: Bad Gateway"},
		{fmt.Errorf("sendQuery: %w", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}), "connection refused"},
	} {
		if got := (&cause{c.err}).Error(); got != c.want {
			t.Errorf("cause of %q is\n%q, want\n%q", c.err, got, c.want)
		}
	}
}
