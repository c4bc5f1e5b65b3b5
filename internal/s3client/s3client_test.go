package s3client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/connect"
	"connectd/internal/testenv"
)

// tokens is a service that gives the keys of roles to who knows the external id.
func tokens(t *testing.T, key, secret string) (address string, asked func() []url.Values) {
	seen := make(chan url.Values, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		seen <- r.Form
		w.Header().Set("Content-Type", "text/xml")
		if r.Form.Get("ExternalId") != "friend" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>")
			return
		}
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
			<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken></SessionToken><Expiration>%s</Expiration>
			</Credentials></AssumeRoleResult></AssumeRoleResponse>`, key, secret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	return server.URL, func() (all []url.Values) {
		for len(seen) > 0 {
			all = append(all, <-seen)
		}
		return all
	}
}

// TestRole reads a bucket with the keys of a role that is assumed with other ones.
func TestRole(t *testing.T) {
	server, bucket := testenv.Bucket(t)
	c := ConnectionDefaults()
	c.Region, c.AccessKey, c.SecretKey = server.Region, "user", "of-the-user"
	c.Role, c.External, c.Session, c.Lifetime = "arn:aws:iam::123456789012:role/reader", "friend", "nightly", Seconds(30*time.Minute)
	address, asked := tokens(t, server.AccessKey, server.SecretKey)
	c.STS, c.Endpoint = address, server.Endpoint
	client, err := c.Client(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"RoleArn": {c.Role}, "ExternalId": {"friend"}, "RoleSessionName": {"nightly"}, "DurationSeconds": {"1800"}}
	got := asked()
	if len(got) != 1 {
		t.Fatalf("keys were asked for %d times", len(got))
	}
	for name, value := range want {
		if !slices.Equal(got[0][name], value) {
			t.Errorf("%s is %v, want %v", name, got[0][name], value)
		}
	}

	c.External = "stranger"
	if client, err = c.Client(1); err != nil {
		t.Fatal(err)
	}
	_, err = client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	err = c.Explain("look for the bucket", err, "bucket", "rights")
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), `assume role "arn:aws:iam::123456789012:role/reader": access denied`) {
		t.Errorf("got %v", err)
	}
}

// TestProxy sends requests through a proxy, with its user.
func TestProxy(t *testing.T) {
	server, bucket := testenv.Bucket(t)
	seen := make(chan *http.Request, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(proxy.Close)
	c := ConnectionDefaults()
	c.Region, c.Endpoint, c.AccessKey, c.SecretKey = server.Region, "http://store.example", "a", "b"
	c.Proxy, c.ProxyUser, c.ProxyPassword = proxy.URL, "me", "secret"
	client, err := c.Client(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket}); Status(err) != http.StatusTeapot {
		t.Fatalf("got %v, want the proxy's answer", err)
	}
	r := <-seen
	if r.URL.Host != "store.example" || r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" {
		t.Errorf("the proxy was asked for %s with %q", r.URL, r.Header.Get("Proxy-Authorization"))
	}
}

// TestPause makes sure that pauses grow to their limit, and are never a fixed time.
func TestPause(t *testing.T) {
	c := Connection{Backoff: 100 * time.Millisecond, BackoffMax: time.Second}
	for n, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		most *= time.Millisecond
		for range 20 {
			if p, err := c.pause(n+1, nil); err != nil || p < most/2 || p > most {
				t.Errorf("pause %d is %v, want %v to %v", n+1, p, most/2, most)
			}
		}
	}
	if p, err := c.pause(1000, nil); err != nil || p > time.Second {
		t.Errorf("pause 1000 is %v", p)
	}
}
