package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectd/connect"
)

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		answer   string
		settings []string
		want     []string
	}{
		"list":        {`[ {"id": 1, "a": "x y"}, {"id":2} ]`, nil, []string{`{"id":1} {"id":1,"a":"x y"}`, `{"id":2} {"id":2}`}},
		"one object":  {`{"id":1}`, nil, []string{`{"id":1} {"id":1}`}},
		"pointer":     {`{"a":{"b":[{"id":1}]}}`, []string{"http.response.list.pointer", "/a/b"}, []string{`{"id":1} {"id":1}`}},
		"inner value": {`[{"id":1,"x":{"y":[2]}}]`, []string{"http.response.record.pointer", "/x"}, []string{`{"id":1} {"y":[2]}`}},
		"jq":          {`{"a":[{"id":1,"n":12345678901234567890},{"id":2}]}`, []string{"http.response.jq", `.a[] | select(.n) | {id, big: .n}`}, []string{`{"id":1} {"big":12345678901234567890,"id":1}`}},
		"jq, list":    {`{"a":[{"id":1},{"id":2}]}`, []string{"http.response.jq", `.a`}, []string{`{"id":1} {"id":1}`, `{"id":2} {"id":2}`}},
		"lines":       {"{\"id\":1}\n\n {\"id\": 2}\r\n{\"id\":3}", []string{"http.response.format", "jsonl"}, []string{`{"id":1} {"id":1}`, `{"id":2} {"id":2}`, `{"id":3} {"id":3}`}},
		"csv":         {"\ufeffid,a\n1,\"x\ny\"\n2,\"q\"\"r\"\n", []string{"http.response.format", "csv"}, []string{`{"id":"1"} {"id":"1","a":"x\ny"}`, `{"id":"2"} {"id":"2","a":"q\"r"}`}},
		"tsv":         {"id\ta\n1\tb", []string{"http.response.format", "csv", "http.response.csv.delimiter", "\t"}, []string{`{"id":"1"} {"id":"1","a":"b"}`}},
		"xml": {"<?xml version=\"1.0\"?><!-- c --><s:feed xmlns:s=\"urn:x\">\n <item id=\"1\"><name>a &amp; b</name><tag>x</tag><tag>y</tag></item>\n <item id=\"2\">t<![CDATA[<u>]]></item></s:feed>",
			[]string{"http.response.format", "xml", "http.response.list.pointer", "/feed/item", "http.response.record.key.pointer", "/@id"},
			[]string{`{"@id":"1"} {"@id":"1","name":"a & b","tag":["x","y"]}`, `{"@id":"2"} {"@id":"2","#text":"t<u>"}`}},
		"xml, one": {"<feed><item><id>1</id><none/><nil xsi:nil=\"true\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"/></item></feed>",
			[]string{"http.response.format", "xml", "http.response.list.pointer", "/feed/item"}, []string{`{"id":"1"} {"id":"1","none":"","nil":null}`}},
		"xml, jq": {"<feed><item><id>1</id></item><item><id>2</id></item></feed>",
			[]string{"http.response.format", "xml", "http.response.jq", ".feed.item[] | {id: (.id|tonumber)}"}, []string{`{"id":1} {"id":1}`, `{"id":2} {"id":2}`}},
		"xml, latin": {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><l><i><id>K\xf6ln</id></i></l>",
			[]string{"http.response.format", "xml", "http.response.list.pointer", "/l/i"}, []string{`{"id":"Köln"} {"id":"Köln"}`}},
		"bare key": {`[{"id":"k"}]`, []string{"http.response.record.key.form", "value"}, []string{`"k" {"id":"k"}`}},
		"two keys": {`[{"id":1,"o":{"n":true}}]`, []string{"http.response.record.key.pointer", "/o/n,/id"}, []string{`{"n":true,"id":1} {"id":1,"o":{"n":true}}`}},
		"castorm":  {`[{"id":1,"ts":"2020-01-01T00:00:00Z"}]`, []string{"http.response.record.key.pointer", "", "http.response.record.offset.pointer", "key=/id, timestamp=/ts"}, []string{`{"id":1} {"id":1,"ts":"2020-01-01T00:00:00Z"}`}},
		"fields":   {`[{"id":1,"a":{"b": 2}, "c":null,"d":1.50}]`, []string{"http.response.record.value", "fields"}, []string{`{"id":1} {"id":1,"a":{"b":2},"c":null,"d":1.50}`}},
		"a number": {`[1,2]`, []string{"http.response.record.key.pointer", ""}, []string{`1`, `2`}},
	} {
		for _, zip := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				u := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if !zip {
						_, _ = io.WriteString(w, c.answer)
						return
					}
					w.Header().Set("Content-Type", "application/gzip") // the file itself is packed, not its transport
					z := gzip.NewWriter(w)
					_, _ = io.WriteString(z, c.answer)
					_ = z.Close()
				})
				all := settings(u.url, append(c.settings, "http.timer.interval.millis", "3600000")...)
				if all["http.response.record.key.pointer"] == "" {
					delete(all, "http.response.record.key.pointer")
				}
				r := read(t, all, nil)
				r.next(len(c.want))
				if err := r.Stop(); err != nil {
					t.Fatal(err)
				}
				same(t, r.records, c.want...)
			})
		}
	}
}

// TestBadRecords hands records that can not be read to errors.tolerance, and goes on.
func TestBadRecords(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `[{"id":1,"at":5},{"at":6},{"id":3},{"id":4,"at":"x"},{"id":{},"at":7},{"id":6,"at":8}]`)
	})
	r := read(t, settings(u.url, "http.cursor.pointer", "/at", "http.cursor.format", "number", "http.timer.interval.millis", "3600000"), nil)
	r.next(2)
	same(t, r.records, `{"id":1} {"id":1,"at":5}`, `{"id":6} {"id":6,"at":8}`)
	if len(r.failed) != 4 {
		t.Errorf("%d records failed, want 4: %v", len(r.failed), r.failed)
	}
}

func TestAnswerTooLong(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		z := gzip.NewWriter(w)
		_, _ = z.Write(bytes.Repeat([]byte(" "), 10<<20))
		_ = z.Close()
	})
	err := read(t, settings(u.url, "http.response.max.bytes", "1MiB"), nil).Wait()
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "http.response.max.bytes") {
		t.Errorf("got %v", err)
	}
}

// TestRequests checks what requests are made of.
func TestRequests(t *testing.T) {
	type seen struct{ uri, body, header, kind string }
	asked := make(chan seen, 100)
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- seen{r.RequestURI, string(body), r.Header.Get("X-Since"), r.Header.Get("Content-Type")}
		_, _ = io.WriteString(w, `{"data":[{"id":1,"at":"a \"b\"&c"}],"next":null}`)
	})
	r := read(t, settings(u.url+"/v1/${endpoint}?fixed=a%20b", "http.request.method", "POST", "http.response.list.pointer", "/data",
		"http.cursor.pointer", "/at", "http.request.headers", "X-Since=${cursor}", "http.request.params.since", "${cursor}",
		"http.request.body", `{"since":"${cursor}","page":{"after":"${token}"},"size":${size}}`, "http.pagination.page.size", "10",
		"http.pagination.type", "cursor", "http.pagination.token.pointer", "/next"), nil)
	r.next(1)
	first, second := <-asked, <-asked
	if want := (seen{"/v1/default?fixed=a+b", `{"since":null,"page":{"after":null},"size":10}`, "", "application/json"}); first != want {
		t.Errorf("first  %+v\nwant   %+v", first, want)
	}
	if want := (seen{"/v1/default?fixed=a+b&since=a+%22b%22%26c", `{"since":"a \"b\"&c","page":{"after":null},"size":10}`, `a "b"&c`, "application/json"}); second != want {
		t.Errorf("second %+v\nwant   %+v", second, want)
	}
	var body any
	if err := json.Unmarshal([]byte(second.body), &body); err != nil {
		t.Errorf("the body is not JSON: %v", err)
	}
}

// TestEndpoints reads two lists of one API, each with settings and a state of its own.
func TestEndpoints(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/orders" {
			_, _ = io.WriteString(w, `{"list":[{"id":1,"at":1}]}`)
			return
		}
		_, _ = io.WriteString(w, `[{"id":2,"at":`+map[string]string{"": "1", "1": "2", "2": "3"}[r.URL.Query().Get("since")]+`}]`)
	})
	all := settings(u.url+"/${endpoint}", "kafka.topic", "shop.${endpoint}", "http.cursor.pointer", "/at",
		"http.endpoints.orders.http.response.list.pointer", "/list",
		"http.endpoints.people.http.request.params", "since=${cursor}", "http.endpoints.people.kafka.topic", "people")
	r := read(t, all, nil)
	r.next(4)
	same(t, r.records, `{"id":1} {"id":1,"at":1}`, `{"id":2} {"id":2,"at":1}`, `{"id":2} {"id":2,"at":2}`, `{"id":2} {"id":2,"at":3}`)
	for _, name := range []string{"orders", "people"} {
		if r.offsets[`{"connectd":"api","endpoint":"`+name+`"}`] == nil {
			t.Errorf("endpoint %s has no state: %s", name, r.offsets)
		}
	}
}
