package s3

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/internal/testenv"
	"connectd/record"
)

// between puts a server before the real one, that answers what answer says, or hides the real
// server's answer. It returns the address to use.
func between(t *testing.T, answer func(r *http.Request) (status int, code string, after bool)) string {
	t.Helper()
	target, err := url.Parse(testenv.SharedS3(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // which is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, code, after := answer(r)
		if status == 0 {
			proxy.ServeHTTP(w, r)
			return
		}
		if after {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
		} else {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>made by the test</Message></Error>", code)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestFaults makes the store fail in each way once or twice: what is in the bucket at the end is
// right, nothing is left unfinished, and no error reached the runtime where the sink can help itself.
func TestFaults(t *testing.T) {
	large := make([]byte, 2*minPartSize)
	for i := range large {
		large[i] = byte('a' + rand.IntN(26))
	}
	for _, c := range []struct {
		name   string
		value  string
		status int
		code   string
		after  bool // the real server does what it is asked
		times  int32
		is     func(r *http.Request) bool
	}{
		{"slow down", `{"n":1}`, 503, "SlowDown", false, 2, isPut},
		{"too many requests", `{"n":1}`, 429, "TooManyRequests", false, 2, isPut},
		{"conflict", `{"n":1}`, 409, "ConditionalRequestConflict", false, 2, isPut},
		{"answer to a write is lost", `{"n":1}`, 500, "InternalError", true, 1, isPut},
		{"no conditional writes", `{"n":1}`, 501, "NotImplemented", false, 1 << 30, func(r *http.Request) bool { return r.Header.Get("If-None-Match") != "" }},
		{"a part fails", string(large), 500, "InternalError", false, 2, isPart},
		{"answer to a part is lost", string(large), 500, "InternalError", true, 1, isPart},
		{"completion fails", string(large), 503, "SlowDown", false, 2, isComplete},
		{"completion conflicts", string(large), 409, "ConditionalRequestConflict", false, 1, isComplete},
		{"answer to the completion is lost", string(large), 500, "InternalError", true, 1, isComplete},
	} {
		t.Run(c.name, func(t *testing.T) {
			var left atomic.Int32
			left.Store(c.times)
			s, client := open(t, func(cfg *Config) {
				cfg.Compression, cfg.PartSize, cfg.Backoff, cfg.Retries = "none", minPartSize, time.Millisecond, 4
				cfg.Endpoint = between(t, func(r *http.Request) (int, string, bool) {
					if !c.is(r) || left.Add(-1) < 0 {
						return 0, "", false
					}
					return c.status, c.code, c.after
				})
			})
			if err := flush(t, s, "a", 0, c.value); err != nil {
				t.Error(err)
			}
			if left.Load() == c.times {
				t.Error("nothing was made to fail")
			}
			expect(t, client, s, map[string]string{"topics/orders/partition=2/orders+2+0000000000.json": c.value + "\n"})
			noUploads(t, client, s.cfg.Bucket)
		})
	}
}

func isPut(r *http.Request) bool {
	return r.Method == http.MethodPut && !r.URL.Query().Has("uploadId")
}
func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}
func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// noUploads makes sure that no upload is left unfinished.
func noUploads(t *testing.T, client *s3.Client, bucket string) {
	t.Helper()
	up, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	if len(up.Uploads) != 0 {
		t.Errorf("%d unfinished uploads are left, want none", len(up.Uploads))
	}
}

// TestPartFailsForGood makes sure that a flush that fails leaves no upload behind.
func TestPartFailsForGood(t *testing.T) {
	s, client := open(t, func(cfg *Config) {
		cfg.Compression, cfg.PartSize, cfg.Backoff, cfg.Retries = "none", minPartSize, time.Millisecond, 2
		cfg.Endpoint = between(t, func(r *http.Request) (int, string, bool) {
			if isPart(r) && r.URL.Query().Get("partNumber") == "2" {
				return 503, "SlowDown", false
			}
			return 0, "", false
		})
	})
	if err := flush(t, s, "a", 0, strings.Repeat("x", 2*minPartSize)); err == nil || !strings.Contains(err.Error(), "SlowDown") {
		t.Errorf("got %v, want SlowDown", err)
	}
	expect(t, client, s, nil)
	noUploads(t, client, s.cfg.Bucket)
}

// TestHeaders looks at what is asked of the store about an object, whole and in parts.
func TestHeaders(t *testing.T) {
	want := map[string]string{
		"X-Amz-Acl": "bucket-owner-full-control", "X-Amz-Storage-Class": "STANDARD_IA",
		"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "k",
		"X-Amz-Tagging": "endOffset=0&recordCount=1&startOffset=0&team=data", "X-Amz-Meta-Connectd-Intent": "a", "X-Amz-Meta-Connectd-Count": "1",
	}
	for name, value := range map[string]string{"whole": `{"n":1}`, "in parts": string(bytes.Repeat([]byte("x"), minPartSize+1))} {
		t.Run(name, func(t *testing.T) {
			seen := make(chan http.Header, 10)
			s, _ := open(t, func(c *Config) {
				c.ACL, c.Class, c.Encryption, c.KMSKey, c.Tagging, c.Tags = "bucket-owner-full-control", "STANDARD_IA", "aws:kms", "k", true, []string{"team:data"}
				c.Compression, c.PartSize, c.Retries = "none", minPartSize, 1
				c.Endpoint = between(t, func(r *http.Request) (int, string, bool) {
					if isPut(r) || r.Method == http.MethodPost && r.URL.Query().Has("uploads") {
						seen <- r.Header
						return 403, "AccessDenied", false // the server here knows neither classes nor keys
					}
					return 0, "", false
				})
			})
			if err := flush(t, s, "a", 0, value); err == nil || !strings.Contains(err.Error(), "access denied") {
				t.Errorf("got %v", err)
			}
			got := <-seen
			for name, text := range want {
				if got.Get(name) != text {
					t.Errorf("header %s is %q, want %q", name, got.Get(name), text)
				}
			}
		})
	}
}

// TestEarlierAttempt makes sure that what an earlier attempt has written stays as it is, and that
// nothing is written beside it.
func TestEarlierAttempt(t *testing.T) {
	const folder = "topics/orders/partition=2/orders+2+"
	r := record.Range{Partition: orders, Start: 10, End: 13, ID: "a"}
	again := func(s *Sink, r record.Range, b *record.Batch) error {
		w, err := s.Open(t.Context(), orders)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := w.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		return w.Flush(t.Context(), r)
	}
	t.Run("the topic has lost the first records since", func(t *testing.T) {
		s, client := open(t, func(c *Config) { c.Compression, c.Manifest = "none", true })
		// Of other flushes, one of them long ago in a topic of that name.
		for id, from := range map[string]int64{"x": 9, "y": 11, "z": 13} {
			if err := flush(t, s, id, from, `{"n":0}`); err != nil {
				t.Fatal(err)
			}
		}
		s.cfg.Manifest = false
		if err := again(s, r, batch(10, `{"n":1}`, `{"n":2}`, `{"n":3}`)); err != nil {
			t.Fatal(err)
		}
		s.cfg.Manifest = true
		if err := again(s, r, batch(12, `{"n":3}`)); err != nil {
			t.Fatal(err)
		}
		got := content(t, client, s.cfg.Bucket)
		for key := range got {
			if strings.HasPrefix(key, "topics/_manifest/") && !strings.HasSuffix(key, "0000000010-0000000013.json") {
				delete(got, key)
			}
		}
		want := map[string]string{
			folder + "0000000009.json": "{\"n\":0}\n", folder + "0000000011.json": "{\"n\":0}\n", folder + "0000000013.json": "{\"n\":0}\n",
			folder + "0000000010.json":                             "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n",
			"topics/_manifest/orders/2/0000000010-0000000013.json": `{"topic":"orders","partition":2,"start":10,"end":13,"intent":"a","objects":[{"key":"` + folder + `0000000010.json","count":3,"bytes":24}]}`,
		}
		compare(t, got, want)
	})
	t.Run("other settings, nothing written", func(t *testing.T) {
		s, client := open(t, func(c *Config) { c.Compression, c.Partitioner, c.Extractor = "none", "daily", "Record" })
		changed := r
		changed.Changed = true
		if err := again(s, changed, batch(10, `{"n":1}`)); err != nil {
			t.Fatal(err)
		}
		compare(t, content(t, client, s.cfg.Bucket), map[string]string{"topics/orders/year=2023/month=11/day=14/orders+2+0000000010.json": "{\"n\":1}\n"})
	})
	t.Run("other settings, half written", func(t *testing.T) {
		s, client := open(t, func(c *Config) { c.Compression = "none" })
		if err := again(s, r, batch(10, `{"n":1}`)); err != nil {
			t.Fatal(err)
		}
		before := content(t, client, s.cfg.Bucket)
		s.cfg.Partitioner = "daily"
		changed := r
		changed.Changed = true
		err := again(s, changed, batch(10, `{"n":1}`))
		if want := "run the connector with the settings before until it has committed offset 13"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		compare(t, content(t, client, s.cfg.Bucket), before)
	})
}

// compare compares objects by their keys.
func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for key, text := range want {
		if got[key] != text {
			t.Errorf("object %s holds %q, want %q", key, got[key], text)
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("object %s is too much", key)
		}
	}
}
