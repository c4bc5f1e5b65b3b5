package postgres

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
)

// connectTimeout limits how long making a connection may take.
const connectTimeout = 15 * time.Second

// sessionSettings make the text of values the same on every server, database and role: our
// decoders read this and nothing else.
var sessionSettings = map[string]string{
	"client_encoding":    "UTF8",
	"DateStyle":          "ISO, YMD",
	"IntervalStyle":      "iso_8601",
	"TimeZone":           "UTC",
	"bytea_output":       "hex",
	"extra_float_digits": "1",
	"lc_monetary":        "C",
	// Compiling a query costs half a second of the server for what takes a millisecond.
	"jit": "off",
	// An exported snapshot lives in a transaction that is idle while others read.
	"idle_in_transaction_session_timeout": "0",
	"statement_timeout":                   "0",
}

// connection is the configuration that every connection starts from.
func (s *Source) connection() (*pgx.ConnConfig, error) {
	c := s.config
	cfg, err := pgx.ParseConfig(c.dsn())
	if err != nil {
		return nil, connect.Permanent(fmt.Errorf("connection settings of %s: %s", c.address(), withoutDSN(err)))
	}
	cfg.ConnectTimeout = connectTimeout
	for name, value := range sessionSettings {
		cfg.RuntimeParams[name] = value
	}
	cfg.RuntimeParams["application_name"] = s.applicationName()
	dialer := &net.Dialer{KeepAlive: 15 * time.Second}
	if !c.KeepAlive {
		dialer.KeepAlive = -1
	}
	cfg.DialFunc = dialer.DialContext
	return cfg, nil
}

// applicationName is what pg_stat_activity shows of our connections.
func (s *Source) applicationName() string { return "connectd " + s.env.Connector }

// withoutDSN is the cause of an error of pgconn.ParseConfig, which repeats the whole string with
// the settings in front of it.
func withoutDSN(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, "`: "); at >= 0 {
		text = text[at+3:]
	}
	return text
}

// dsn is the connection string in keyword form. Every setting that the environment could supply
// is there, so that the process's PG variables do not change what is connected to.
func (c *Config) dsn() string {
	quote := func(v string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
	}
	pairs := [][2]string{
		{"host", c.Host}, {"port", strconv.Itoa(c.Port)}, {"user", c.User},
		{"password", c.Password.Reveal()}, {"dbname", c.Database}, {"sslmode", c.SSLMode},
		{"sslcert", c.SSLCert}, {"sslkey", c.SSLKey}, {"sslpassword", c.SSLSecret.Reveal()}, {"sslrootcert", c.SSLRoot},
	}
	var s strings.Builder
	for _, p := range pairs {
		if p[1] != "" || p[0] == "password" {
			s.WriteString(p[0] + "=" + quote(p[1]) + " ")
		}
	}
	return s.String()
}

// address names the database in messages.
func (c *Config) address() string {
	return fmt.Sprintf("%s/%s", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), c.Database)
}

// connect opens a connection for SQL.
func (s *Source) connect(ctx context.Context) (*pgx.Conn, error) {
	return s.connectWith(ctx, bufferedFrontend)
}

// connectWith opens a connection for SQL that reads through the frontend.
func (s *Source) connectWith(ctx context.Context, frontend pgconn.BuildFrontendFunc) (*pgx.Conn, error) {
	cfg, err := s.connection()
	if err != nil {
		return nil, err
	}
	cfg.BuildFrontend = frontend
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, s.connectError(err)
	}
	if err := lift(ctx, conn.PgConn()); err != nil {
		return nil, err
	}
	for _, statement := range splitStatements(s.config.Statements) {
		if _, err := conn.Exec(ctx, statement); err != nil {
			_ = conn.Close(ctx)
			return nil, fmt.Errorf("run database.initial.statements %q: %w", statement, shortened(err))
		}
	}
	return conn, nil
}

// connectReplication opens a connection for replication commands; its reads are coalesced.
func (s *Source) connectReplication(ctx context.Context) (*pgconn.PgConn, *coalescer, error) {
	cfg, err := s.connection()
	if err != nil {
		return nil, nil, err
	}
	cfg.RuntimeParams["replication"] = "database"
	// The creation of a slot waits for the transactions that are open.
	cfg.RuntimeParams["lock_timeout"] = "0"
	var reader *coalescer
	cfg.BuildFrontend = coalescedFrontend(&reader)
	conn, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	if err != nil {
		return nil, nil, s.connectError(err)
	}
	if err := lift(ctx, conn); err != nil {
		return nil, nil, err
	}
	return conn, reader, nil
}

// lift lifts the limits that a role or a database may have and that older servers do not know: a
// snapshot is one transaction from its first row to its last, and a connection waits for Kafka.
func lift(ctx context.Context, conn *pgconn.PgConn) error {
	version, _, _ := strings.Cut(conn.ParameterStatus("server_version"), ".")
	major, err := strconv.Atoi(version)
	if err != nil || major < 14 { // a version in the making is "19devel"
		return nil
	}
	sql := "SET idle_session_timeout = 0"
	if major >= 17 {
		sql += "; SET transaction_timeout = 0"
	}
	if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
		closeSoon(conn)
		return fmt.Errorf("lift the limits of the session: %w", shortened(err))
	}
	return nil
}

// closeSoon closes conn in good order, if the server answers soon.
func closeSoon(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // whatever was to be said on it has been said
}

// splitStatements splits at single semicolons; two are one in the statement.
func splitStatements(text string) []string {
	const mark = "\x00"
	var statements []string
	for part := range strings.SplitSeq(strings.ReplaceAll(text, ";;", mark), ";") {
		if part = strings.TrimSpace(strings.ReplaceAll(part, mark, ";")); part != "" {
			statements = append(statements, part)
		}
	}
	return statements
}
