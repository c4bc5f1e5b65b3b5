package testenv

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed clickhouse-http.py
var clickhouseHTTP []byte

// ClickHouseOptions say how a server differs from the usual one.
type ClickHouseOptions struct {
	Port     int    // 0: a free one
	User     string // default "default"
	Password string // default "secret"
}

// ClickHouse is the real ClickHouse engine behind ClickHouse's HTTP interface (see
// clickhouse-http.py). There is no native protocol: clickhouse-go needs Protocol:
// clickhouse.HTTP.
type ClickHouse struct {
	Host           string
	Port           int // HTTP
	User, Password string

	process *process // nil: started by another process
}

// StartClickHouse starts a server in dir (new or empty; "": a temporary directory).
func StartClickHouse(ctx context.Context, dir string, o ClickHouseOptions) (*ClickHouse, error) {
	if o.User == "" {
		o.User = "default"
	}
	if o.Password == "" {
		o.Password = "secret"
	}
	home, err := installed("clickhouse", "clickhouse-chdb-"+versions["CHDB"])
	if err != nil {
		return nil, err
	}
	port, err := freePort(o.Port)
	if err != nil {
		return nil, err
	}
	if dir, err = newDir("clickhouse", dir); err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "clickhouse-http.py")
	c := &ClickHouse{Host: host, Port: port, User: o.User, Password: o.Password, process: &process{
		name:   "clickhouse",
		dir:    dir,
		orphan: "KILL",
		args: []string{
			filepath.Join(home, "bin", "python"), script, "--port", strconv.Itoa(port),
			"--path", filepath.Join(dir, "data"), "--user", o.User, "--password", o.Password,
		},
		env: []string{"PYTHONDONTWRITEBYTECODE=1"},
	}}
	c.process.ready = func(ctx context.Context) error {
		_, err := c.Query(ctx, "SELECT 1")
		return err
	}
	if err := os.WriteFile(script, clickhouseHTTP, 0o644); err != nil {
		c.Close()
		return nil, fmt.Errorf("start clickhouse: %w", err)
	}
	if err := c.process.start(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// URL is the address of the HTTP interface.
func (c *ClickHouse) URL() string { return "http://" + address(c.Port) }

// Query runs one statement and returns its result as TabSeparated, without the last newline.
func (c *ClickHouse) Query(ctx context.Context, sql string) (string, error) {
	q := url.Values{"default_format": {"TabSeparated"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL()+"/?"+q.Encode(), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	req.Header.Set("X-ClickHouse-User", c.User)
	req.Header.Set("X-ClickHouse-Key", c.Password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(string(body), "\n")
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("query %q: %s: %s", sql, res.Status, text)
	}
	return text, nil
}

// Kill ends the server with SIGKILL; its data stays.
func (c *ClickHouse) Kill() error {
	if c.process == nil {
		return errShared("clickhouse")
	}
	c.process.kill()
	return nil
}

// Restart kills the server if it runs, and starts it on the same port and data.
func (c *ClickHouse) Restart() error {
	if err := c.Kill(); err != nil {
		return err
	}
	return c.process.start(context.Background())
}

// Close kills the server and removes its directory.
func (c *ClickHouse) Close() error {
	if c.process == nil {
		return errShared("clickhouse")
	}
	return c.process.close()
}
