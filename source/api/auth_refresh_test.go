package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"connectd/connect"
)

// rotating is a server that replaces the refresh token with each use, from r1 on, and whose access
// tokens are good for two requests.
type rotating struct {
	mu      sync.Mutex
	n       int // of the refresh token that is good
	uses    int // of the access token
	refused int
	fixed   bool // the refresh token stays
}

func (s *rotating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		_ = r.ParseForm()
		if r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("client_id") != "me" || r.Form.Get("refresh_token") != fmt.Sprintf("secret-r%d", s.n) {
			s.refused++
			http.Error(w, `{"error":"invalid_grant","error_description":"`+r.Form.Get("refresh_token")+`"}`, http.StatusBadRequest)
			return
		}
		s.uses = 0
		w.Header().Set("Content-Type", "application/json")
		if s.fixed {
			_, _ = w.Write([]byte(`{"access_token":"a","token_type":"bearer"}`))
			return
		}
		s.n++
		fmt.Fprintf(w, `{"access_token":"a%d","token_type":"bearer","expires_in":3600,"refresh_token":"secret-r%d"}`, s.n, s.n)
		return
	}
	want := fmt.Sprintf("Bearer a%d", s.n)
	if s.fixed {
		want = "Bearer a"
	}
	if s.uses++; s.uses > 2 || r.Header.Get("Authorization") != want {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, `[{"id":%d}]`, s.n*10+s.uses)
}

func (s *rotating) set(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n, s.uses = n, 2
}

func refreshing(u *upstream, file string) map[string]string {
	all := settings(u.url+"/list", "http.auth.type", "oauth2_refresh_token", "http.auth.oauth2.token.url", u.url+"/token",
		"http.auth.oauth2.client.id", "me", "http.auth.oauth2.refresh.token", "secret-r1")
	if file != "" {
		all["http.auth.oauth2.refresh.token.file"] = file
	}
	return all
}

// TestRefreshTokenRotates goes on over several tokens, each of which the server takes once, and over
// restarts.
func TestRefreshTokenRotates(t *testing.T) {
	s := &rotating{n: 1}
	u := serve(t, s.ServeHTTP)
	file := filepath.Join(t.TempDir(), "token")
	for range 3 {
		r := read(t, refreshing(u, file), nil)
		r.next(5)
		if err := r.Stop(); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		want := fmt.Sprintf("secret-r%d\n", s.n)
		s.mu.Unlock()
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Fatalf("the file has %q, %v; want %q", got, err, want)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v; want it readable by its owner only", info.Mode(), err)
	}
	// Signed in anew: the file's token is worth nothing, and the configured one is.
	s.set(100)
	all := refreshing(u, file)
	all["http.auth.oauth2.refresh.token"] = "secret-r100"
	read(t, all, nil).next(5)
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
		t.Errorf("%d files are left, want 1", len(entries))
	}
}

// TestRefreshTokenWithoutFile says what is going to be lost, and stops when it is, without showing a
// token.
func TestRefreshTokenWithoutFile(t *testing.T) {
	s := &rotating{n: 1}
	u := serve(t, s.ServeHTTP)
	var log bytes.Buffer
	source, err := New(decode(t, refreshing(u, "")), connect.Env{Connector: "test", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, source.(*Source), nil)
	r.next(5)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "set http.auth.oauth2.refresh.token.file") || strings.Contains(text, "secret-") {
		t.Errorf("the log is %s", text)
	}
	err = read(t, refreshing(u, ""), nil).Wait()
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "check the credentials of http.auth") || strings.Contains(err.Error(), "secret-") {
		t.Errorf("got %v", err)
	}
	if s.refused != 1 {
		t.Errorf("a refused token was sent %d times", s.refused)
	}
}

// TestRefreshTokenStays reads from a server that keeps the refresh token.
func TestRefreshTokenStays(t *testing.T) {
	s := &rotating{n: 1, fixed: true}
	u := serve(t, s.ServeHTTP)
	for range 2 {
		read(t, refreshing(u, ""), nil).next(3)
	}
}

func TestRefreshTokenFile(t *testing.T) {
	u := serve(t, (&rotating{n: 1}).ServeHTTP)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, configured, want string }{
		"no folder": {filepath.Join(dir, "none", "token"), "secret-r1", "which has to take each new token"},
		"a folder":  {dir, "secret-r1", "read http.auth.oauth2.refresh.token.file"},
		"no token":  {empty, "", "holds no token"},
	} {
		all := refreshing(u, c.file)
		if all["http.auth.oauth2.refresh.token"] = c.configured; c.configured == "" {
			delete(all, "http.auth.oauth2.refresh.token")
		}
		if err := read(t, all, nil).Wait(); !connect.IsPermanent(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a permanent error with %q", name, err, c.want)
		}
	}
	if n := len(u.requests()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// TestRefreshTokenHasOneOwner keeps all endpoints in one task: two would take the token from each
// other.
func TestRefreshTokenHasOneOwner(t *testing.T) {
	u := &upstream{url: "http://localhost"}
	all := refreshing(u, "")
	all["http.endpoint.names"] = "a,b"
	if n := decode(t, all).Split(5); n != 1 {
		t.Errorf("%d tasks, want 1", n)
	}
}
