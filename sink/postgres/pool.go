package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"connectd/connect"
	"connectd/internal/dial"
)

// closeTimeout limits the polite end of a connection.
const closeTimeout = 2 * time.Second

// unreachable is the error of a server that lets nobody in.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

// conn is a connection and what it has been prepared for. One goroutine at a time owns it.
type conn struct {
	*pgx.Conn
	stages map[*columnSet]string // staging tables by what they hold
	age    int64                 // of the pool when it was made
}

// pool lends connections, made when they are needed and kept until close.
type pool struct {
	server   *pgx.ConnConfig
	attempts int
	backoff  time.Duration
	lent     chan struct{} // one for each connection that is out
	age      atomic.Int64  // counts the connections that were lost

	mu   sync.Mutex
	idle []*conn // the last one used is the next
}

func newPool(server *pgx.ConnConfig, c *Config) *pool {
	return &pool{server: server, attempts: c.Attempts, backoff: c.Backoff, lent: make(chan struct{}, c.Connections)}
}

// acquire waits for a free connection. Whoever gets one gives it back with release.
func (p *pool) acquire(ctx context.Context) (*conn, error) {
	select {
	case p.lent <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for c := p.pop(); c != nil; c = p.pop() {
		if c.age == p.age.Load() && !c.IsClosed() {
			return c, nil
		}
		c.end() // what took another connection away may have taken this one too
	}
	c, err := p.connect(ctx)
	if err != nil {
		<-p.lent
	}
	return c, err
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

// connect tries connection.attempts times.
func (p *pool) connect(ctx context.Context) (*conn, error) {
	for attempt := 1; ; attempt++ {
		c, err := pgx.ConnectConfig(ctx, p.server)
		if err == nil {
			return &conn{Conn: c, stages: map[*columnSet]string{}, age: p.age.Load()}, nil
		}
		err = p.explain(err)
		if attempt >= p.attempts || connect.IsPermanent(err) {
			return nil, err
		}
		if stopped := pause(ctx, p.backoff); errors.Is(stopped, context.DeadlineExceeded) {
			return nil, err // says more than that the time was up
		} else if stopped != nil {
			return nil, stopped
		}
	}
}

// release gives c back. A connection in a transaction, which an error has left there, is closed:
// the server rolls the transaction back.
func (p *pool) release(c *conn) {
	defer func() { <-p.lent }()
	switch {
	case c.IsClosed():
		p.age.Add(1)
	case c.PgConn().TxStatus() != 'I' || len(c.stages) > maxStages:
		c.end()
	default:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.idle = append(p.idle, c)
	}
}

// close ends the idle connections; by then all are.
func (p *pool) close() {
	for c := p.pop(); c != nil; c = p.pop() {
		c.end()
	}
}

func (c *conn) end() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.Close(ctx) // the server notices a connection that did not say goodbye
}

// explain names the server and, when it is known, what helps.
func (p *pool) explain(err error) error {
	where := fmt.Sprintf("connect to %s/%s as %q", net.JoinHostPort(p.server.Host, strconv.Itoa(int(p.server.Port))), p.server.Database, p.server.User)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return unreachable{fmt.Errorf("%s: %s; check connection.url, and that PostgreSQL runs there", where, dial.Cause(err))}
	}
	wrapped := fmt.Errorf("%s: %s", where, &serverError{refused})
	switch {
	case refused.Code == "28P01":
		return connect.Permanent(fmt.Errorf("%w; check connection.user and connection.password", wrapped))
	case refused.Code[:2] == "28":
		return connect.Permanent(fmt.Errorf("%w; check connection.user, connection.password and the server's pg_hba.conf", wrapped))
	case refused.Code == "3D000":
		return connect.Permanent(fmt.Errorf("%w; create it, or correct connection.url", wrapped))
	case refused.Code == insufficientPrivilege:
		return connect.Permanent(fmt.Errorf("%w; grant CONNECT on the database to the role", wrapped))
	}
	return unreachable{wrapped}
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
