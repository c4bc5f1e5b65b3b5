package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// maxConnections bounds the HTTP connections of a sink: the flushes of more partitions wait.
const maxConnections = 32

// client speaks to the server. Its pools are shared by all writers of a sink; facts about the
// server are the writer's own, and the native connection while it flushes.
type client struct {
	cfg    *Config
	at     address
	conn   driver.Conn
	server facts
	native *ch.Client // for inserts; nil at rest
	idle   *connections
}

// facts are what this server knows and how it is set.
type facts struct {
	version           string
	has               map[string]bool // which of optionalSettings it knows
	window            int64           // non_replicated_deduplication_window of tables that do not set it
	replicatedWindow  int64
	replicatedSeconds int64
}

// optionalSettings are those that not every server knows and that make a difference here.
var optionalSettings = []string{
	"async_insert", "insert_deduplicate", "deduplicate_insert", "insert_deduplication_token",
	"deduplicate_blocks_in_dependent_materialized_views", "input_format_native_allow_types_conversion",
	"max_partitions_per_insert_block", "enable_time_time64_type",
}

func newClient(cfg *Config) (*client, error) {
	at, err := cfg.address()
	if err != nil {
		return nil, err
	}
	o := &clickhouse.Options{
		Addr:            []string{at.addr},
		Protocol:        clickhouse.HTTP,
		Auth:            clickhouse.Auth{Database: cfg.Database, Username: cfg.Username, Password: cfg.Password.Reveal()},
		TLS:             at.tlsConfig(),
		DialTimeout:     time.Duration(cfg.Timeout),
		ReadTimeout:     time.Duration(cfg.InsertTimeout),
		MaxOpenConns:    maxConnections,
		MaxIdleConns:    maxConnections,
		ConnMaxLifetime: time.Hour,
		HTTPProxyURL:    cfg.proxy(),
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{
			{Name: clientName, Version: "1"},
		}},
	}
	o.TransportFunc = func(t *http.Transport) (http.RoundTripper, error) {
		if cfg.ProxyType == "direct" {
			t.Proxy = nil
		}
		if cfg.Compress == "lz4" {
			return compressing{t}, nil
		}
		return t, nil
	}
	if at.native {
		o.Protocol = clickhouse.Native
	}
	conn, err := clickhouse.Open(o)
	if err != nil {
		return nil, fmt.Errorf("set up the client for %s: %w", at.addr, err)
	}
	return &client{cfg: cfg, at: at, conn: conn, idle: new(connections)}, nil
}

const clientName = "connectd"

// connect asks the server what it knows; the result belongs to one writer.
func (c *client) connect(ctx context.Context) (*client, error) {
	own := *c
	own.server = facts{has: make(map[string]bool)}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.cfg.Timeout))
	defer cancel()
	doing := fmt.Sprintf("connect to %s/%s as %q", c.at.addr, c.cfg.Database, c.cfg.Username)
	if err := c.conn.QueryRow(ctx, "SELECT version()").Scan(&own.server.version); err != nil {
		return nil, c.explain(doing, err)
	}
	var names []string
	for _, name := range optionalSettings {
		names = append(names, quoteText(name))
	}
	rows, err := c.conn.Query(ctx, "SELECT name FROM system.settings WHERE name IN ("+strings.Join(names, ", ")+")")
	if err != nil {
		return nil, c.explain(doing, err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, c.explain(doing, err)
		}
		own.server.has[name] = true
	}
	if err := rows.Err(); err != nil {
		return nil, c.explain(doing, err)
	}
	windows, err := c.conn.Query(ctx, "SELECT name, value FROM system.merge_tree_settings WHERE name LIKE '%replicated_deduplication_window%'")
	if err != nil {
		return nil, c.explain(doing, err)
	}
	defer windows.Close()
	for windows.Next() {
		var name, value string
		if err := windows.Scan(&name, &value); err != nil {
			return nil, c.explain(doing, err)
		}
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "non_replicated_deduplication_window":
			own.server.window = n
		case "replicated_deduplication_window":
			own.server.replicatedWindow = n
		case "replicated_deduplication_window_seconds":
			own.server.replicatedSeconds = n
		}
	}
	return &own, windows.Err()
}

// exec runs a statement without a result.
func (c *client) exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.cfg.Timeout))
	defer cancel()
	return c.conn.Exec(ctx, sql)
}

// onCluster is the clause of a statement that a whole cluster is to run.
func (c *client) onCluster() string {
	if c.cfg.Cluster == "" {
		return ""
	}
	return " ON CLUSTER " + quoteName(c.cfg.Cluster)
}

func (a address) tlsConfig() *tls.Config {
	if !a.tls {
		return nil
	}
	return &tls.Config{ServerName: a.sni, MinVersion: tls.VersionTLS12}
}

// dial opens the native connection for inserts.
func (c *client) dial(ctx context.Context) error {
	if c.native != nil && !c.native.IsClosed() {
		return nil
	}
	if c.native = c.idle.take(); c.native != nil {
		return nil
	}
	o := ch.Options{
		Address: c.at.addr, Database: c.cfg.Database, User: c.cfg.Username, Password: c.cfg.Password.Reveal(),
		ClientName: clientName, TLS: c.at.tlsConfig(),
		DialTimeout: time.Duration(c.cfg.Timeout), HandshakeTimeout: time.Duration(c.cfg.Timeout),
		ReadTimeout: time.Duration(c.cfg.InsertTimeout),
	}
	if c.cfg.Compress == "lz4" {
		o.Compression = ch.CompressionLZ4
	}
	native, err := ch.Dial(ctx, o)
	if err != nil {
		return err
	}
	c.native = native
	return nil
}

// rest gives the native connection to the flushes of other partitions.
func (c *client) rest() {
	if c.native != nil {
		c.idle.put(c.native)
		c.native = nil
	}
}

// mostIdle is how many native connections are kept. Each holds the memory of its largest insert, once
// as it is and once compressed.
const mostIdle = 2

// connections are native connections at rest.
type connections struct {
	mu   sync.Mutex
	idle []*ch.Client
}

// take is the connection that was used last; nil when there is none.
func (p *connections) take() *ch.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if !c.IsClosed() {
			return c
		}
	}
	return nil
}

func (p *connections) put(c *ch.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) < mostIdle {
		p.idle = append(p.idle, c)
		return
	}
	_ = c.Close() // nothing is under way in it
}

func (p *connections) close() {
	for c := p.take(); c != nil; c = p.take() {
		_ = c.Close()
	}
}

// hangUp closes the native connection.
func (c *client) hangUp() error {
	if c.native == nil {
		return nil
	}
	err := c.native.Close()
	c.native = nil
	if errors.Is(err, ch.ErrClosed) {
		return nil
	}
	return err
}

// backoff is the pause before the next attempt: doubling, at most half a minute.
func backoff(attempt int) time.Duration {
	return time.Duration(math.Min(float64(30*time.Second), float64(250*time.Millisecond)*math.Pow(2, float64(attempt))))
}
