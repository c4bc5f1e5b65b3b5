package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// parseURL reads connection.url, in JDBC's form or libpq's, with connection.user and
// connection.password in place of what it does not say itself.
func parseURL(c *Config) (*pgx.ConnConfig, error) {
	raw := strings.TrimPrefix(c.URL, "jdbc:")
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse quotes the URL, and with it a password.
		return nil, errors.New("is not a URL")
	}
	if u.Scheme != "postgresql" && u.Scheme != "postgres" {
		return nil, fmt.Errorf("is for %q, not for PostgreSQL", u.Scheme)
	}
	q := u.Query()
	if raw != c.URL {
		fromJDBC(u, q)
	}
	if !q.Has("application_name") {
		q.Set("application_name", "connectd")
	}
	if !q.Has("connect_timeout") {
		q.Set("connect_timeout", "10")
	}
	u.RawQuery = q.Encode()
	pc, err := pgx.ParseConfig(u.String())
	if err != nil {
		// The error names what is wrong and hides the password.
		return nil, fmt.Errorf("can not be read: %w", errors.Unwrap(err))
	}
	if c.User != "" {
		pc.User = c.User
	}
	if c.Password != "" {
		pc.Password = c.Password.Reveal()
	}
	pc.RuntimeParams["TimeZone"] = c.Timezone
	// The forms in which rows are written do not depend on what the server is set to.
	pc.RuntimeParams["DateStyle"] = "ISO, YMD"
	pc.RuntimeParams["IntervalStyle"] = "postgres"
	// Statements are few and large: nothing is gained by preparing them, and poolers such as
	// PgBouncer do not keep them.
	pc.DefaultQueryExecMode = pgx.QueryExecModeExec
	return pc, nil
}

// fromJDBC turns the properties of a JDBC URL into libpq's and drops those that only Java has.
func fromJDBC(u *url.URL, q url.Values) {
	if user := q.Get("user"); user != "" {
		u.User = url.UserPassword(user, q.Get("password"))
	}
	names := map[string]string{
		"ApplicationName": "application_name", "connectTimeout": "connect_timeout", "loginTimeout": "connect_timeout",
		"sslmode": "sslmode", "sslrootcert": "sslrootcert", "sslcert": "sslcert", "sslkey": "sslkey", "options": "options",
	}
	out := url.Values{}
	for name, values := range q {
		if libpq, ok := names[name]; ok {
			out[libpq] = values
		}
	}
	if schema := q.Get("currentSchema"); schema != "" {
		out.Set("search_path", schema)
	}
	if q.Get("ssl") == "true" && !out.Has("sslmode") {
		out.Set("sslmode", "verify-full")
	}
	clear(q)
	for name, values := range out {
		q[name] = values
	}
}
