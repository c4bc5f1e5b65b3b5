package api

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"connectd/connect"
)

func TestFixedCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		good     func(r *http.Request) bool
	}{
		"basic": {[]string{"http.auth.type", "Basic", "http.auth.user", "ann", "http.auth.password", "pass word"},
			func(r *http.Request) bool { u, p, _ := r.BasicAuth(); return u == "ann" && p == "pass word" }},
		"bearer": {[]string{"http.auth.type", "bearer", "http.auth.bearer.token", "abc"},
			func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer abc" }},
		"key in a header": {[]string{"http.auth.type", "api_key", "http.auth.api.key", "k&y", "http.auth.api.key.name", "X-Key"},
			func(r *http.Request) bool { return r.Header.Get("X-Key") == "k&y" }},
		"key in the query": {[]string{"http.auth.type", "api_key", "http.auth.api.key", "k&y", "http.auth.api.key.name", "key", "http.auth.api.key.location", "query", "http.request.params", "a=b"},
			func(r *http.Request) bool { return r.URL.Query().Get("key") == "k&y" && r.URL.Query().Get("a") == "b" }},
	} {
		t.Run(name, func(t *testing.T) {
			u := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !c.good(r) {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				_, _ = w.Write([]byte(`[{"id":1}]`))
			})
			read(t, settings(u.url, c.settings...), nil).next(1)
		})
	}
}

// tokens is a server that gives out tokens t1, t2, … and takes the newest one only.
type tokens struct {
	given  atomic.Int64
	logins atomic.Int64
	login  func(w http.ResponseWriter, r *http.Request, token string)
	taken  func(r *http.Request, token string) bool
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/login" {
		s.logins.Add(1)
		s.login(w, r, fmt.Sprintf("t%d", s.given.Add(1)))
		return
	}
	if !s.taken(r, fmt.Sprintf("t%d", s.given.Load())) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, `[{"id":%d}]`, s.given.Load())
}

var tokenKinds = map[string]struct {
	settings []string
	login    func(w http.ResponseWriter, r *http.Request, token string)
	taken    func(r *http.Request, token string) bool
}{
	"oauth2": {
		[]string{"http.auth.type", "oauth2_client_credentials", "http.auth.oauth2.client.id", "me", "http.auth.oauth2.client.secret", "s3cret", "http.auth.oauth2.scope", "a b", "http.auth.oauth2.params.audience", "orders"},
		func(w http.ResponseWriter, r *http.Request, token string) {
			id, secret, _ := r.BasicAuth()
			_ = r.ParseForm()
			if id != "me" || secret != "s3cret" || r.Form.Get("scope") != "a b" || r.Form.Get("audience") != "orders" || r.Form.Get("grant_type") != "client_credentials" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3600}`, token)
		},
		func(r *http.Request, token string) bool { return r.Header.Get("Authorization") == "Bearer "+token },
	},
	"session token": {
		[]string{"http.auth.type", "session", "http.auth.session.body", `{"user":"me"}`, "http.auth.session.token.pointer", "/auth/token", "http.auth.session.header", "X-Session", "http.auth.session.prefix", ""},
		func(w http.ResponseWriter, r *http.Request, token string) {
			fmt.Fprintf(w, `{"auth":{"token":%q}}`, token)
		},
		func(r *http.Request, token string) bool { return r.Header.Get("X-Session") == token },
	},
	"session cookie": {
		[]string{"http.auth.type", "session", "http.auth.session.body", "user=me"},
		func(w http.ResponseWriter, r *http.Request, token string) {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: token})
			http.Redirect(w, r, "/", http.StatusFound)
		},
		func(r *http.Request, token string) bool {
			c, err := r.Cookie("sid")
			return err == nil && c.Value == token
		},
	},
}

// TestRefresh lets a token end: it is renewed once, and the page is not lost.
func TestRefresh(t *testing.T) {
	for name, c := range tokenKinds {
		t.Run(name, func(t *testing.T) {
			s := &tokens{login: c.login, taken: c.taken}
			u := serve(t, s.ServeHTTP)
			all := settings(u.url, c.settings...)
			all["http.auth.oauth2.token.url"], all["http.auth.session.url"] = u.url+"/login", u.url+"/login"
			r := read(t, all, nil)
			r.next(3)
			if n := s.logins.Load(); n != 1 {
				t.Errorf("%d logins for one token", n)
			}
			s.given.Add(1) // the token is worth nothing any more
			r.Until("a record with a new token", func() bool { return r.records[len(r.records)-1] == `{"id":3} {"id":3}` })
			if n := s.logins.Load(); n != 2 {
				t.Errorf("%d logins, want 2", n)
			}
		})
		t.Run(name+", refused", func(t *testing.T) {
			s := &tokens{login: c.login, taken: func(*http.Request, string) bool { return false }}
			u := serve(t, s.ServeHTTP)
			all := settings(u.url, c.settings...)
			all["http.auth.oauth2.token.url"], all["http.auth.session.url"] = u.url+"/login", u.url+"/login"
			if err := read(t, all, nil).Wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), "401") {
				t.Errorf("got %v", err)
			}
			if n := s.logins.Load(); n != 2 {
				t.Errorf("%d logins, want 2", n)
			}
		})
	}
}

// TestLoginFails checks that a login that is refused stops the task without showing the secret.
func TestLoginFails(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		http.Error(w, "bad credentials "+r.Form.Encode(), http.StatusUnauthorized)
	})
	err := read(t, settings(u.url, "http.auth.type", "oauth2", "http.auth.oauth2.client.id", "me", "http.auth.oauth2.client.secret", "s3cret",
		"http.auth.oauth2.token.url", u.url+"/login", "http.auth.oauth2.client.auth.mode", "body"), nil).Wait()
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

// TestMutualTLS uses the server's own certificate as the client's too.
func TestMutualTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `[{"id":%d}]`, len(r.TLS.PeerCertificates))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := write("cert.pem", "CERTIFICATE", s.Certificate().Raw)
	r := read(t, settings(s.URL, "http.tls.ca", cert, "http.tls.cert", cert, "http.tls.key", write("key.pem", "PRIVATE KEY", key)), nil)
	same(t, r.next(1)[:1], `{"id":1} {"id":1}`)
}

// TestProxy sends everything through a proxy: the host itself does not exist.
func TestProxy(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "api.invalid" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`[{"id":1}]`))
	})
	read(t, settings("http://api.invalid/orders", "http.proxy.url", u.url), nil).next(1)
}
