package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectd/connect"
	"connectd/record"
)

// TestNow checks the time of a pass in requests: the same on all its pages, in the form of cursors.
func TestNow(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		want     string
	}{
		"ISO":    {nil, "?t=2000-01-01T00%3A00%3A00Z&s=946684800&ms=946684800000"},
		"layout": {[]string{"http.cursor.pointer", "/at", "http.cursor.format", "iso", "http.cursor.request.format", "02.01.2006"}, "?t=01.01.2000&s=946684800&ms=946684800000"},
		"epoch":  {[]string{"http.cursor.pointer", "/at", "http.cursor.format", "epoch_millis"}, "?t=946684800000&s=946684800&ms=946684800000"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second) // a bubble's
				_, _ = io.WriteString(w, `[]`)
			}, func(t *testing.T, u *upstream, open func(...string) *reading) {
				r := open(append(c.settings, "http.request.params", "t=${now}&s=${now.seconds}&ms=${now.millis}")...)
				time.Sleep(10 * time.Second)
				r.Stop()
				if got := u.requests()[0]; got != "/orders"+c.want {
					t.Errorf("asked %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestTimestamps checks the timestamps of records.
func TestTimestamps(t *testing.T) {
	const element = `{"id":1,"at":"2026-11-21T01:02:03.004+01:00","seen":1800000000,"n":7}`
	for name, c := range map[string]struct {
		settings []string
		want     int64
	}{
		"none":                 {nil, record.NoTimestamp},
		"the cursor":           {[]string{"http.cursor.pointer", "/at"}, 1795219323004},
		"a number":             {[]string{"http.cursor.pointer", "/n"}, record.NoTimestamp},
		"another one":          {[]string{"http.cursor.pointer", "/at", "http.response.record.timestamp.pointer", "/seen", "http.response.record.timestamp.format", "epoch_seconds"}, 1800000000000},
		"another, no cursor":   {[]string{"http.response.record.timestamp.pointer", "/at"}, 1795219323004},
		"castorm's two in one": {[]string{"http.response.record.offset.pointer", "key=/id,timestamp=/at"}, 1795219323004},
	} {
		e := decode(t, settings("http://localhost", c.settings...)).each[0].settings
		p, key, err := newPoller(alone, &e)
		if err != nil {
			t.Fatal(key, err)
		}
		if err := p.extract.find([]byte(element)); err != nil {
			t.Fatal(err)
		}
		var at mark
		if e.CursorPointer != "" {
			if at, err = p.extract.at(); err != nil {
				t.Fatal(err)
			}
		}
		b := new(record.Batch)
		p.extract.add(b, "orders", at)
		if got := b.Records[0].Timestamp; got != c.want || len(b.Failed()) > 0 {
			t.Errorf("%s: timestamp %d, want %d; failed %v", name, got, c.want, b.Failed())
		}
	}
}

// TestLastModified asks by date where the server has no ETag.
func TestLastModified(t *testing.T) {
	var version, unchanged atomic.Int64
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		changed := time.Unix(1_800_000_000+version.Load(), 0).UTC().Format(http.TimeFormat)
		w.Header().Set("Last-Modified", changed)
		if r.Header.Get("If-Modified-Since") == changed {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, `[{"id":%d}]`, version.Load())
	})
	r := read(t, settings(u.url), nil)
	r.next(1)
	r.Until("answers that nothing has changed", func() bool { return unchanged.Load() >= 3 })
	version.Add(1)
	same(t, r.next(1), `{"id":1} {"id":1}`)
}

// TestConnectTimeout has a server that takes the connection and says nothing to the TLS greeting.
func TestConnectTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = read(t, settings("https://"+l.Addr().String(), "http.client.connection.timeout.millis", "50", "http.retry.attempts", "1"), nil).Wait()
	if err == nil || connect.IsPermanent(err) || !strings.Contains(err.Error(), "TLS handshake timeout") {
		t.Errorf("got %v, want a timeout after which the task restarts", err)
	}
}

// TestXMLPages follows the pages of an API that answers in XML.
func TestXMLPages(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/":
			_, _ = io.WriteString(w, `<r><next href="/?p=2"/><item><id>1</id></item><item><id>2</id></item></r>`)
		case "/?p=2":
			_, _ = io.WriteString(w, `<r><next/><item><id>3</id></item></r>`)
		default:
			http.NotFound(w, r)
		}
	})
	r := read(t, settings(u.url+"/", "http.response.format", "xml", "http.response.list.pointer", "/r/item",
		"http.pagination.type", "next_url", "http.pagination.token.pointer", "/r/next/@href", "http.timer.interval.millis", "3600000"), nil)
	same(t, r.next(3), `{"id":"1"} {"id":"1"}`, `{"id":"2"} {"id":"2"}`, `{"id":"3"} {"id":"3"}`)
}
