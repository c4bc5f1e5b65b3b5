package clickhouse

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"testing"

	"connectd/record"
)

// proxy is an HTTP proxy that notes what it is asked for.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	asked map[string]bool
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{asked: map[string]bool{}}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.Method+" "+r.Host] = true
		p.mu.Unlock()
		if r.Method != http.MethodConnect {
			forward.ServeHTTP(w, r)
			return
		}
		server, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer server.Close()
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		go func() { // ends with the client, or with the server's side closed below
			_, _ = io.Copy(server, buffered)
			server.Close()
		}()
		_, _ = io.Copy(client, server)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) was(request string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[request]
}

// through sends what c does through the proxy.
func (p *proxy) through(c *Config) {
	at := p.Listener.Addr().(*net.TCPAddr)
	c.ProxyType, c.ProxyHost, c.ProxyPort = "http", at.IP.String(), at.Port
}

func TestProxy(t *testing.T) {
	p := startProxy(t)
	x := newTarget(t, evolving, p.through)
	x.write(batchOf(0, keyed(structOf("id", int64s, "name", strings_), record.OfInt(1), text("a"))), id(1))
	x.want("SELECT id, name FROM $db.orders", "1\ta")
	if at := net.JoinHostPort(x.server.Host, strconv.Itoa(x.cfg.Port)); !p.was("POST " + at) {
		t.Errorf("the proxy was asked for %v, want %s", p.asked, at)
	}
	p.Close()
	_, err := x.sink.Open(t.Context(), record.Partition{Topic: testTopic})
	if err == nil || !strings.Contains(err.Error(), "check hostname and port, and proxyHost and proxyPort") {
		t.Errorf("without the proxy: got %v, want an error that names its settings", err)
	}
}

// TestProxyAndSNI sees what reaches a server with TLS behind the proxy: the certificate of that name,
// which nobody has signed, is refused only after the name was asked for.
func TestProxyAndSNI(t *testing.T) {
	p := startProxy(t)
	names := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are refused
	server.StartTLS()
	t.Cleanup(server.Close)
	at := server.Listener.Addr().(*net.TCPAddr)
	for _, sni := range []string{"", "inner.example"} {
		cfg := new(Config)
		cfg.Defaults()
		cfg.Host, cfg.Port, cfg.SSL, cfg.SNI = "localhost", at.Port, "true", sni
		p.through(cfg)
		cl, err := newClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cl.connect(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("got %v, want a refusal of the certificate", err)
		}
		cl.conn.Close()
		want := sni
		if want == "" {
			want = "localhost"
		}
		if got := <-names; got != want {
			t.Errorf("ssl_socket_sni %q: the server was asked for %q, want %q", sni, got, want)
		}
		for len(names) > 0 {
			<-names
		}
	}
	if !p.was("CONNECT " + net.JoinHostPort("localhost", strconv.Itoa(at.Port))) {
		t.Errorf("the proxy was asked for %v, want a CONNECT", p.asked)
	}
}
