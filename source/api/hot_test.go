package api

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"connectd/connect"
	"connectd/record"
)

// TestAllocations bounds what a page costs: nothing for a record.
func TestAllocations(t *testing.T) {
	var body bytes.Buffer
	body.WriteString(`{"data":[`)
	for i := range 1000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"id": %d, "at": "2026-11-21T00:00:00.%03dZ", "name": "a \"name\"", "more": {"a": [1, 2]}}`, i, i)
	}
	body.WriteString(`],"next":null}`)
	e := decode(t, settings("http://localhost", "http.response.list.pointer", "/data", "http.cursor.pointer", "/at",
		"http.pagination.type", "next_url", "http.pagination.token.pointer", "/next")).each[0].settings
	for _, fields := range []bool{false, true} {
		p, key, err := newPoller(alone, &e)
		if err != nil {
			t.Fatal(key, err)
		}
		p.extract.fields = fields
		b := new(record.Batch)
		a := &answer{status: http.StatusOK, header: http.Header{}, body: body.Bytes()}
		page := func() {
			b.Reset()
			if err := p.desks[0].reader.read(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			for _, element := range a.records {
				if err := p.extract.find(element); err != nil {
					t.Fatal(err)
				}
				at, err := p.extract.at()
				if err != nil {
					t.Fatal(err)
				}
				p.extract.add(b, "orders", at)
			}
			if len(b.Records) != 1000 || len(b.Failed()) > 0 {
				t.Fatalf("%d records, failed %v", len(b.Records), b.Failed())
			}
		}
		page()
		// The batch grows its memory in slabs, and a page finds its list by a closure.
		if n := testing.AllocsPerRun(20, page); n > 12 {
			t.Errorf("fields=%v: %v allocations for a page of 1000 records", fields, n)
		}
	}
}

// TestFieldsForTransforms takes records apart when there is a transform to look into them.
func TestFieldsForTransforms(t *testing.T) {
	for transforms, want := range []bool{false, true} {
		s, err := New(decode(t, settings("http://localhost")), connect.Env{Connector: "test", Transforms: transforms})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.(*Source).pollers[0].extract.fields; got != want {
			t.Errorf("%d transforms: fields is %v", transforms, got)
		}
	}
}

// FuzzAnswer reads answers of any kind: whatever they are, they give records that are JSON.
func FuzzAnswer(f *testing.F) {
	f.Add("json", []byte(`{"data":[{"id":1,"at":"2026-11-21T00:00:00Z"}],"next":"t"}`))
	f.Add("jsonl", []byte("{\"id\":1}\n{\"id\":2}"))
	f.Add("csv", []byte("id,at\n1,2"))
	f.Add("xml", []byte("<data><id a='1'>2</id><id/>x</data>"))
	e := decode(f, settings("http://localhost", "http.cursor.pointer", "/at", "http.response.list.pointer", "/data")).each[0].settings
	f.Fuzz(func(t *testing.T, format string, body []byte) {
		e := e
		if e.Format = format; format != "jsonl" && format != "csv" && format != "xml" {
			e.Format = "json"
		}
		p, key, err := newPoller(alone, &e)
		if err != nil {
			t.Fatal(key, err)
		}
		a := &answer{status: http.StatusOK, header: http.Header{}, body: body}
		if p.desks[0].reader.read(t.Context(), a) != nil {
			return
		}
		b := new(record.Batch)
		for _, element := range a.records {
			if err := p.extract.find(element); err != nil {
				t.Fatalf("the record %q is not JSON: %v", element, err)
			}
			if at, err := p.extract.at(); err == nil {
				p.extract.add(b, "orders", at)
			}
		}
	})
}
