package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// What a slow or silent client may take.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	headerLimit   = 64 << 10

	shutdownTimeout = 2 * time.Second // for answers that are under way when the server stops
)

// Server listens for the REST API. Until Handle gives it the API it answers that the worker is
// still starting.
type Server struct {
	listeners []net.Listener
	urls      []string
	http      http.Server
	handler   atomic.Pointer[http.Handler]
}

// Listen opens the listeners, a list such as "http://127.0.0.1:8083,http://[::1]:8083"; port 0
// takes a free one. Connections wait until Serve is called.
func Listen(listeners string, log *slog.Logger) (*Server, error) {
	s := &Server{}
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	s.Handle(starting())
	for text := range strings.SplitSeq(listeners, ",") {
		if err := s.listen(strings.TrimSpace(text)); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Server) listen(text string) error {
	u, err := url.Parse(text)
	switch {
	case err == nil && u.Scheme == "https":
		return fmt.Errorf("listeners: %q: https is not supported yet; write http:// and let a proxy in front speak TLS", text)
	case err != nil || u.Scheme != "http" || u.Port() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return fmt.Errorf("listeners: %q is not an address; write http://HOST:PORT, such as http://127.0.0.1:8083", text)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		return fmt.Errorf("listeners: %q: %w; stop what uses the port, or write another one", text, err)
	}
	host := u.Hostname()
	if host == "" {
		host = "0.0.0.0"
	}
	s.listeners = append(s.listeners, l)
	s.urls = append(s.urls, "http://"+net.JoinHostPort(host, portOf(l)))
	return nil
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// URL is where the first listener is reached, without a slash at its end.
func (s *Server) URL() string { return s.urls[0] }

// WorkerID is host:port of the first listener, as other machines see it: the worker_id of the
// answers. A listener on all addresses goes by the machine's name.
func (s *Server) WorkerID() string {
	id := strings.TrimPrefix(s.urls[0], "http://")
	host, port, _ := net.SplitHostPort(id)
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return id
	}
	name, err := os.Hostname()
	if err != nil {
		return id
	}
	return net.JoinHostPort(name, port)
}

// Handle answers requests with h from now on.
func (s *Server) Handle(h http.Handler) { s.handler.Store(&h) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }

// Serve answers requests until ctx is done, and then finishes those that have begun. It closes
// the listeners, and returns nil, or why it could not go on.
func (s *Server) Serve(ctx context.Context) error {
	g, serving := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		g.Go(func() error {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve the REST API on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	g.Go(func() error {
		<-serving.Done()
		finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := s.http.Shutdown(finish); err != nil {
			return s.http.Close() // clients that do not end are cut off
		}
		return nil
	})
	return g.Wait()
}

// Close closes the listeners when Serve was not called; after Serve there is nothing left to do.
func (s *Server) Close() {
	for _, l := range s.listeners {
		_ = l.Close() // nothing was sent that could be lost
	}
}
