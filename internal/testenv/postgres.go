package testenv

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// The role that connectors use, with the rights it has in production: REPLICATION and
// LOGIN, a password, and what CreateDatabase grants; not superuser.
const (
	Replicator         = "debezium"
	ReplicatorPassword = "dbz"
)

// PostgresOptions say how a server differs from the usual one.
type PostgresOptions struct {
	Version  string            // one of PostgresVersions; "15" by default
	Settings map[string]string // postgresql.conf, on top of wal_level=logical and so on
	Port     int               // 0: a free one
}

// Postgres is a PostgreSQL server with wal_level=logical. Superuser "postgres" needs no
// password from this machine; every other role needs one (scram-sha-256).
type Postgres struct {
	Host    string
	Port    int
	Version string // major version, such as "15"

	process *process // nil: started by another process
}

// StartPostgres initializes a server in dir (new or empty; "": a temporary directory)
// and starts it.
func StartPostgres(ctx context.Context, dir string, o PostgresOptions) (*Postgres, error) {
	if o.Version == "" {
		o.Version = "15"
	}
	bin, err := postgresBin(o.Version)
	if err != nil {
		return nil, err
	}
	port, err := freePort(o.Port)
	if err != nil {
		return nil, err
	}
	if dir, err = newDir("postgres", dir); err != nil {
		return nil, err
	}
	p := &Postgres{Host: host, Port: port, Version: o.Version, process: &process{
		name:   "postgres " + o.Version,
		dir:    dir,
		orphan: "QUIT", // the children of a killed postmaster would linger
	}}
	p.process.ready = p.ping
	if err := p.init(ctx, bin, o.Settings); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.process.start(ctx); err != nil {
		p.Close()
		return nil, err
	}
	if err := p.createReplicator(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// DSN is the connection string of superuser "postgres".
func (p *Postgres) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", address(p.Port), database)
}

// ReplicatorDSN is the connection string of the role that connectors use.
func (p *Postgres) ReplicatorDSN(database string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", Replicator, ReplicatorPassword, address(p.Port), database)
}

// CreateDatabase creates a database in which role Replicator may connect, create schemas
// and publications, and read every table that "postgres" will create.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	db, role := pgx.Identifier{name}.Sanitize(), Replicator
	if err := p.exec(ctx, "postgres",
		"CREATE DATABASE "+db,
		"GRANT CONNECT, CREATE ON DATABASE "+db+" TO "+role,
	); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	if err := p.exec(ctx, name,
		"GRANT USAGE ON SCHEMA public TO "+role,
		"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "+role,
		"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO "+role,
	); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	return nil
}

// DropDatabase drops a database with its replication slots, and disconnects whoever uses it.
func (p *Postgres) DropDatabase(ctx context.Context, name string) error {
	db := pgx.Identifier{name}.Sanitize()
	lit := "'" + strings.ReplaceAll(name, "'", "''") + "'"
	if err := p.exec(ctx, "postgres",
		// Nobody can come back between the steps.
		"ALTER DATABASE "+db+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = "+lit,
		"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = "+lit,
		"DROP DATABASE "+db+" WITH (FORCE)",
	); err != nil {
		return fmt.Errorf("drop database %q: %w", name, err)
	}
	return nil
}

// Stop shuts the server down as pg_ctl does: "smart" waits for clients to leave, "fast"
// disconnects them, "immediate" is a crash: the next start recovers from the WAL.
func (p *Postgres) Stop(mode string) error {
	sig, ok := map[string]syscall.Signal{"smart": syscall.SIGTERM, "fast": syscall.SIGINT, "immediate": syscall.SIGQUIT}[mode]
	if !ok {
		return fmt.Errorf("stop postgres: %q is not a mode (fast, immediate, smart)", mode)
	}
	if p.process == nil {
		return errShared("postgres")
	}
	return p.process.stop(sig)
}

// Restart stops the server if it runs, and starts it on the same port and data.
func (p *Postgres) Restart(mode string) error {
	if p.process == nil {
		return errShared("postgres")
	}
	if p.process.running() {
		if err := p.Stop(mode); err != nil {
			return err
		}
	}
	return p.process.start(context.Background())
}

// Close stops the server and removes its directory.
func (p *Postgres) Close() error {
	if p.process == nil {
		return errShared("postgres")
	}
	if p.process.running() {
		// Its children are process groups of their own; only the postmaster ends them all.
		if err := p.process.stop(syscall.SIGQUIT); err != nil {
			p.process.kill()
		}
	}
	return p.process.close()
}

// init creates the data directory and the configuration.
func (p *Postgres) init(ctx context.Context, bin string, settings map[string]string) error {
	proc := p.process
	bin, err := proc.unprivileged(bin)
	if err != nil {
		return fmt.Errorf("start %s: %w", proc.name, err)
	}
	data := filepath.Join(proc.dir, "data")
	initdb := proc.command(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres",
		"-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("start %s: initdb: %w: %s", proc.name, err, out)
	}
	all := map[string]string{
		"listen_addresses":        host,
		"unix_socket_directories": "",
		"wal_level":               "logical",
		"max_wal_senders":         "20",
		"max_replication_slots":   "20",
		"max_connections":         "200",
		"password_encryption":     "scram-sha-256",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
	}
	maps.Copy(all, settings)
	all["port"] = strconv.Itoa(p.Port)
	proc.args = []string{filepath.Join(bin, "postgres"), "-D", data}
	if err := os.WriteFile(filepath.Join(data, "postgresql.auto.conf"), []byte(postgresConf(all)), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(postgresHBA), 0o600)
}

// postgresHBA has no line for the unix socket: there is none.
const postgresHBA = `host all         postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all         all      127.0.0.1/32 scram-sha-256
host replication all      127.0.0.1/32 scram-sha-256
`

func postgresConf(settings map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", k, strings.ReplaceAll(settings[k], "'", "''"))
	}
	return b.String()
}

func (p *Postgres) createReplicator(ctx context.Context) error {
	err := p.exec(ctx, "postgres", fmt.Sprintf("CREATE ROLE %s LOGIN REPLICATION PASSWORD '%s'", Replicator, ReplicatorPassword))
	if err != nil {
		return fmt.Errorf("create role %q: %w", Replicator, err)
	}
	return nil
}

func (p *Postgres) ping(ctx context.Context) error { return p.exec(ctx, "postgres", "SELECT 1") }

// exec runs statements as superuser, one by one.
func (p *Postgres) exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.DSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// PostgresVersions are the major versions that there are, oldest first.
func PostgresVersions() []string {
	var majors []string
	for name := range versions {
		if major, ok := strings.CutPrefix(name, "POSTGRES_"); ok {
			majors = append(majors, major)
		}
	}
	slices.Sort(majors)
	return majors
}

// postgresBin returns the folder with initdb and postgres of a major version.
func postgresBin(version string) (string, error) {
	full, ok := versions["POSTGRES_"+version]
	if !ok {
		return "", fmt.Errorf("start postgres: there is no version %q (%s)", version, strings.Join(PostgresVersions(), ", "))
	}
	root, err := serversDir()
	if err != nil {
		return "", err
	}
	ours := filepath.Join(root, "postgresql-"+full, "bin")
	for _, bin := range []string{"/usr/lib/postgresql/" + version + "/bin", ours} {
		if _, err := os.Stat(filepath.Join(bin, "postgres")); err == nil {
			return bin, nil
		}
	}
	return "", notInstalled("postgres", ours)
}

// errShared is the answer to whoever would stop a server that other tests use.
func errShared(name string) error {
	return fmt.Errorf("this %s is shared with other tests and may not be stopped; use an Own function", name)
}
