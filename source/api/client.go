package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"connectd/connect"
)

// client sends requests: with credentials, not faster than it may, and again when that can help.
// All endpoints of a task share it.
type client struct {
	config  *Config
	log     *slog.Logger
	http    *http.Client
	auth    authenticator
	limiter *rate.Limiter     // nil for no limit
	cover   *strings.Replacer // of secrets in messages

	mu    sync.Mutex
	until time.Time // no request before: the server's rate limit is used up
}

// newClient makes the client of one of so many tasks, which share the rate limit evenly.
func newClient(c *Config, tasks int, log *slog.Logger) (*client, error) {
	t, key, err := c.Client.transport()
	if err != nil {
		return nil, connect.Permanent(fmt.Errorf("%s: %w", key, err))
	}
	cl := &client{config: c, log: log, http: &http.Client{Transport: t}, cover: strings.NewReplacer(c.Auth.secrets()...)}
	cl.http.CheckRedirect = cl.redirect
	login := &http.Client{Transport: t, Timeout: c.ConnectTimeout + c.ReadTimeout,
		// The cookie is in the answer that redirects, and credentials go to nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	cl.auth = newAuthenticator(&c.Auth, login, log)
	if c.Rate > 0 {
		cl.limiter = rate.NewLimiter(rate.Limit(c.Rate)/rate.Limit(tasks), max(1, c.Burst/tasks))
	}
	return cl, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// redirect follows to the same host, and to those that the settings name.
func (c *client) redirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("it redirects more than 10 times")
	}
	if host := r.URL.Host; host != via[0].URL.Host && !slices.Contains(c.config.Hosts, host) {
		return connect.Permanent(fmt.Errorf("it redirects to another host, %q, which would get the credentials; write that host into http.request.url or http.pagination.hosts", host))
	}
	return nil
}

// question is what one endpoint asks for one page.
type question struct {
	build func(context.Context) (*http.Request, error)
	read  func(context.Context, *answer) error // finds the records
	e     *Endpoint
	tag   *tag // of the answer before
	buf   []byte
}

// get sends q until there is an answer that can be read.
func (c *client) get(ctx context.Context, q *question) (*answer, error) {
	tries := attempts{config: &c.config.Client}
	renewed := false
	for {
		if err := c.turn(ctx); err != nil {
			return nil, err
		}
		a, r, err := c.once(ctx, q)
		if err == nil && q.e.Process.has(a.status) && a.status != http.StatusNotModified {
			err = q.read(ctx, a)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err == nil {
			return a, nil
		}
		var status *statusError
		asStatus := errors.As(err, &status)
		switch {
		case connect.IsPermanent(err):
			return nil, c.covered(err)
		case asStatus && status.code == http.StatusUnauthorized && !renewed && c.auth.refresh(r):
			renewed = true
			continue
		case asStatus && !c.worthRetry(q.e, status.code, a):
			return nil, c.covered(status.refused())
		}
		pause, asked := c.asked(a)
		if !asked {
			if pause = tries.next(); pause < 0 {
				return nil, c.covered(err)
			}
		}
		c.log.Warn("asking again", "in", pause.Round(time.Millisecond), "err", c.covered(err))
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// worthRetry says whether the same request may be answered otherwise later.
func (c *client) worthRetry(e *Endpoint, code int, a *answer) bool {
	if e.Retry.has(code) || code == http.StatusTooManyRequests {
		return true
	}
	_, asked := c.asked(a)
	return code == http.StatusForbidden && asked // GitHub's way to say 429
}

// covered is err without the secrets that it may repeat.
func (c *client) covered(err error) error {
	if text := err.Error(); c.cover.Replace(text) != text {
		hidden := errors.New(c.cover.Replace(text))
		if connect.IsPermanent(err) {
			return connect.Permanent(hidden)
		}
		return hidden
	}
	return err
}

// turn waits until a request may be sent.
func (c *client) turn(ctx context.Context) error {
	c.mu.Lock()
	pause := time.Until(c.until)
	c.mu.Unlock()
	if err := wait(ctx, pause); err != nil {
		return err
	}
	if c.limiter != nil {
		if err := c.limiter.Wait(ctx); err != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// errSlow ends a request whose answer does not go on.
var errSlow = errors.New("no byte came within http.client.read.timeout.millis; raise it if the API is that slow")

// once sends q once. With an error that is about a status there is an answer too.
func (c *client) once(ctx context.Context, q *question) (*answer, *http.Request, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := q.build(ctx)
	if err != nil {
		return nil, nil, connect.Permanent(err)
	}
	at, asked := place(r.URL), q.hash(r)
	if err := c.auth.apply(ctx, r); err != nil {
		var login *loginError
		if errors.As(err, &login) && login.refused() {
			err = connect.Permanent(err)
		}
		return nil, r, err
	}
	if q.tag != nil && q.tag.Request == asked {
		setIf(r.Header, "If-None-Match", q.tag.ETag)
		setIf(r.Header, "If-Modified-Since", q.tag.Modified)
	}
	idle := time.AfterFunc(c.config.ConnectTimeout+c.config.ReadTimeout, func() { cancel(errSlow) })
	defer idle.Stop()
	response, err := c.http.Do(r)
	if err != nil {
		return nil, r, fmt.Errorf("ask %s: %w", at, causeOf(ctx, err))
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, header: response.Header, at: at, asked: asked, finalURL: response.Request.URL.String(),
		tag: tag{asked, response.Header.Get("ETag"), response.Header.Get("Last-Modified")}}
	a.body, err = readBody(&patient{response.Body, idle, c.config.ReadTimeout}, q.buf[:0], int64(q.e.MaxBytes))
	q.buf = a.body
	c.observe(a)
	switch {
	case !q.e.Process.has(a.status) && !q.e.Skip.has(a.status):
		return a, r, &statusError{code: a.status, at: at, text: begin(a.body)}
	case err != nil:
		return a, r, fmt.Errorf("read the answer of %s: %w", at, causeOf(ctx, err))
	}
	return a, r, nil
}

// hash identifies what r asks for.
func (q *question) hash(r *http.Request) uint64 {
	text := []byte(r.Method + " " + r.URL.String() + "\n")
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			rest, _ := io.ReadAll(body) // of a string: never fails
			text = append(text, rest...)
		}
	}
	return digest(text)
}

func setIf(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// causeOf is why a request ended: what ended its context, if that was us.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return withoutURL(err)
}

// patient resets the time without a byte at each read.
type patient struct {
	body io.Reader
	idle *time.Timer
	most time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	p.idle.Reset(p.most)
	return p.body.Read(b)
}

var gzipMagic = []byte{0x1f, 0x8b}

// readBody appends an answer of at most so many bytes to dst, decompressed if it is gzip.
func readBody(from io.Reader, dst []byte, most int64) ([]byte, error) {
	body, err := readMost(from, dst, most)
	if err != nil || !bytes.HasPrefix(body, gzipMagic) {
		return body, err
	}
	packed, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return body, fmt.Errorf("decompress: %w", err)
	}
	plain, err := readMost(packed, nil, most)
	if err != nil {
		return body, fmt.Errorf("decompress: %w", err)
	}
	return plain, nil
}

func readMost(from io.Reader, dst []byte, most int64) ([]byte, error) {
	limited := &io.LimitedReader{R: from, N: most + 1}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := limited.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)) > most:
			return dst, connect.Permanent(fmt.Errorf("it is longer than http.response.max.bytes, %d bytes; ask for smaller pages, or raise it", most))
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}
