package registry

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"connectd/config"
	"connectd/convert"
	"connectd/internal/testenv"
)

// settings are decoded as those of a converter are.
type settings struct{ Config }

func decoded(t *testing.T, pairs ...string) (Config, config.Problems) {
	t.Helper()
	section := &config.Section{Path: "value.converter"}
	for i := 0; i < len(pairs); i += 2 {
		section.Entries = append(section.Entries, config.Entry{Key: pairs[i], Raw: pairs[i+1], Value: pairs[i+1]})
	}
	var s settings
	problems := config.Decode(section, &s)
	return s.Config, problems
}

func client(t *testing.T, pairs ...string) *Client {
	t.Helper()
	c, problems := decoded(t, append([]string{"retries.wait.ms", "1"}, pairs...)...)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	cl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// blocked checks that err is no fault of a record.
func blocked(t *testing.T, err error, permanent bool, parts ...string) {
	t.Helper()
	var b *convert.Blocked
	if !errors.As(err, &b) || b.Permanent != permanent {
		t.Errorf("got %T %v, want a convert.Blocked that is permanent: %v", err, err, permanent)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want %q in it", err, part)
		}
	}
}

func TestSchemas(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c := client(t, "schema.registry.url", r.URL)
	const place = `{"type":"record","name":"Place","fields":[]}`
	id, err := c.Register("place", place, sr.TypeAvro, false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Register("other", place, sr.TypeAvro, true); err != nil || again != id {
		t.Errorf("the same schema has the ids %d and %d (%v)", id, again, err)
	}
	if found, err := c.Find("place", place, sr.TypeAvro, false); err != nil || found != id {
		t.Errorf("found id %d, want %d (%v)", found, id, err)
	}
	raw, err := r.Client()
	if err != nil {
		t.Fatal(err)
	}
	order, err := raw.RegisterSchema(t.Context(), "order", sr.Schema{
		Schema:     `{"type":"record","name":"Order","fields":[{"name":"at","type":"Place"}]}`,
		References: []sr.SchemaReference{{Name: "Place", Subject: "place", Version: 1}},
	}, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	before := r.Requests()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if s, err := c.ByID(order); err != nil || len(s.References) != 1 || s.References[0] != place || s.Type != sr.TypeAvro {
				t.Errorf("schema %d is %+v (%v)", order, s, err)
			}
		})
	}
	all.Wait()
	if n := r.Requests() - before; n > 4 {
		t.Errorf("20 converters asked %d times for one schema and its reference", n)
	}
	if latest, s, err := c.Latest("order"); err != nil || latest != order || len(s.References) != 1 {
		t.Errorf("the latest is %d %+v (%v), want %d", latest, s, err, order)
	}
}

// TestErrors checks what is said of each answer, and whether it is tried again.
func TestErrors(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{User: "u", Password: "p"})
	c := client(t, "schema.registry.url", r.URL, "basic.auth.credentials.source", "USER_INFO", "basic.auth.user.info", "u:p")
	if _, err := c.Register("a-value", `"int"`, sr.TypeAvro, false); err != nil {
		t.Fatal(err)
	}
	_, err := c.Register("a-value", `"string"`, sr.TypeAvro, false)
	blocked(t, err, true, `schema registry http://127.0.0.1:`, `: register the schema of subject "a-value": it is not compatible with the schemas that are there (409): Schema being registered is incompatible`, "change the compatibility of the subject")
	_, err = c.Register("b-value", `"nothing"`, sr.TypeAvro, false)
	blocked(t, err, true, "it is refused as invalid (422): Invalid schema")

	_, err = c.ByID(999)
	if !errors.Is(err, ErrMissing) || errors.As(err, new(*convert.Blocked)) || !strings.Contains(err.Error(), "schema with id 999: the registry does not have it") {
		t.Errorf("an unknown id: got %v, want an error of the record", err)
	}
	if _, err = c.Find("c-value", `"int"`, sr.TypeAvro, false); !errors.Is(err, ErrMissing) {
		t.Errorf("an unknown subject: got %v", err)
	}
	if err := c.Check(); err != nil {
		t.Errorf("check: %v", err)
	}
	blocked(t, client(t, "schema.registry.url", r.URL).Check(), true, "list the subjects: it wants other credentials (401)")
	_, err = client(t, "schema.registry.url", r.URL).ByID(1)
	blocked(t, err, true, "it wants other credentials (401); check basic.auth.credentials.source")
	_, err = client(t, "schema.registry.url", strings.Replace(r.URL, "//", "//u:p@", 1)+"/nowhere/").ByID(1)
	blocked(t, err, true, "there is no schema registry at this address (404); check schema.registry.url")
	if strings.Contains(err.Error(), "u:p") {
		t.Errorf("the password is in %q", err)
	}

	status := http.StatusForbidden
	r.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error_code":50003,"message":"the leader is away."}`)
		return true
	})
	_, err = c.ByID(5)
	blocked(t, err, true, "the user may not do this (403)")
	status = http.StatusInternalServerError
	before := r.Requests()
	_, err = c.ByID(5)
	blocked(t, err, false, "schema with id 5: it can not answer (500): the leader is away")
	if n := r.Requests() - before; n != 4 {
		t.Errorf("an error of the registry was asked %d times, want 4", n)
	}
}

// TestOutage asks a registry that is away, and again when it is back.
func TestOutage(t *testing.T) {
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	c := client(t, "schema.registry.url", "http://127.0.0.1:1,"+r.URL)
	id, err := c.Register("a", `"int"`, sr.TypeAvro, false)
	if err != nil {
		t.Fatalf("with a second address: %v", err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = c.ByID(id)
	blocked(t, err, false, "connection refused")
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	if s, err := c.ByID(id); err != nil || s.Text != `"int"` {
		t.Errorf("got %+v (%v)", s, err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ByID(id); err != nil {
		t.Errorf("what is known was asked again: %v", err)
	}
}

// TestTimeout asks a registry that does not answer: once, because each try takes that long.
func TestTimeout(t *testing.T) {
	quit := make(chan struct{})
	asked := make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-quit
	}))
	defer s.Close()
	defer close(quit)
	_, err := client(t, "schema.registry.url", s.URL, "http.read.timeout.ms", "50").ByID(1)
	blocked(t, err, false, "no answer in time")
	if len(asked) != 1 {
		t.Errorf("asked %d times, want once", len(asked))
	}
}

// TestBearer asks with a token: one of the settings, or one of an OAuth2 server.
func TestBearer(t *testing.T) {
	var seen http.Header
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{})
	r.Intercept(func(_ http.ResponseWriter, request *http.Request) bool {
		seen = request.Header.Clone()
		return false
	})
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if id, secret, _ := request.BasicAuth(); id != "me" || secret != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "fresh", "token_type": "Bearer", "expires_in": 3600})
	}))
	defer issuer.Close()
	if _, err := client(t, "schema.registry.url", r.URL, "bearer.auth.token", "static", "request.header.X-Team", "data").Register("a", `"int"`, sr.TypeAvro, false); err != nil {
		t.Fatal(err)
	}
	if seen.Get("Authorization") != "Bearer static" || seen.Get("X-Team") != "data" {
		t.Errorf("asked with %v", seen)
	}
	oauth := []string{"schema.registry.url", r.URL, "bearer.auth.credentials.source", "OAUTHBEARER", "bearer.auth.issuer.endpoint.url", issuer.URL, "bearer.auth.client.id", "me",
		"bearer.auth.logical.cluster", "lsrc-1", "bearer.auth.identity.pool.id", "pool-1", "bearer.auth.client.secret"}
	if _, err := client(t, append(oauth, "s3cret")...).Register("a", `"int"`, sr.TypeAvro, false); err != nil {
		t.Fatal(err)
	}
	if seen.Get("Authorization") != "Bearer fresh" || seen.Get("target-sr-cluster") != "lsrc-1" || seen.Get("Confluent-Identity-Pool-Id") != "pool-1" {
		t.Errorf("asked with %v", seen)
	}
	_, err := client(t, append(oauth, "wrong")...).Register("a", `"int"`, sr.TypeAvro, false)
	blocked(t, err, true, "gives no token (401 Unauthorized); check bearer.auth.client.id")
}

// TestTLS trusts the authority of the settings, and no other.
func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	r := testenv.OwnRegistry(t, testenv.RegistryOptions{TLS: s.TLS})
	if err := os.WriteFile(file, pemOf(s.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, "schema.registry.url", r.URL, "schema.registry.ssl.truststore.location", file).Register("a", `"int"`, sr.TypeAvro, false); err != nil {
		t.Error(err)
	}
	_, err := client(t, "schema.registry.url", r.URL, "max.retries", "0").ByID(1)
	blocked(t, err, false, "certificate signed by unknown authority")
}

// TestSettings checks what is said of settings that do not work.
func TestSettings(t *testing.T) {
	const address = "http://registry:8081"
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{[]string{}, `value.converter.schema.registry.url: is missing; set it (addresses of the registry`},
		{[]string{"schema.registry.url", "registry:8081"}, `value.converter.schema.registry.url: "registry:8081" is not an address; write one such as http://registry:8081`},
		{[]string{"schema.registry.url", address, "basic.auth.user.info", "u:p"}, `value.converter.basic.auth.user.info: counts only with basic.auth.credentials.source: USER_INFO; set that`},
		{[]string{"schema.registry.url", address, "basic.auth.credentials.source", "USER_INFO", "basic.auth.user.info", "u"}, `value.converter.basic.auth.user.info: must be user:password`},
		{[]string{"schema.registry.url", address, "basic.auth.credentials.source", "SASL_INHERIT"}, `value.converter.basic.auth.credentials.source: "SASL_INHERIT"`},
		{[]string{"schema.registry.url", address, "bearer.auth.credentials.source", "OAUTHBEARER"}, `value.converter.bearer.auth.client.id: is missing; bearer.auth.credentials.source: OAUTHBEARER needs it`},
		{[]string{"schema.registry.url", address, "schema.registry.ssl.truststore.location", "x.jks"}, `value.converter.schema.registry.ssl.truststore.location: x.jks is JKS, and only PEM is read`},
		{[]string{"schema.registry.url", address, "max.retries", "-1"}, `value.converter.max.retries: is -1; write 0 or more`},
		{[]string{"schema.registry.url", address, "http.read.timeout.ms", "0"}, `value.converter.http.read.timeout.ms: is not a time to wait; write 1 or more`},
		{[]string{"schema.registry.url", address, "proxy.host", "proxy"}, `value.converter.proxy.port: 0 is not a port`},
		{[]string{"schema.registry.url", address, "schema.registry.ssl.endpoint.identification.algorithm", "x"}, `"x" is not known; write https`},
		{[]string{"schema.registry.url", "http://u:p@registry", "basic.auth.credentials.source", "USER_INFO", "basic.auth.user.info", "a:b"}, `has a user in it`},
	} {
		_, problems := decoded(t, c.pairs...)
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "u:p@") {
			t.Errorf("%v: got %v, want %s", c.pairs, err, c.want)
		}
	}
	cl := client(t, "schema.registry.url", address, "proxy.host", "127.0.0.1", "proxy.port", "1", "max.retries", "0", "http.connect.timeout.ms", fmt.Sprint(time.Second.Milliseconds()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := cl.asks.SchemaByID(ctx, 1); err == nil || !strings.Contains(err.Error(), "proxyconnect") && !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("through a proxy that is not there: %v", err)
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
