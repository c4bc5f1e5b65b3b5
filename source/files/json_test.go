package files

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectd/connect"
	"connectd/record"
)

func TestJSONLines(t *testing.T) {
	all := readAll(t, "a.jsonl", "\xef\xbb\xbf{ \"id\": 1, \"x\": 1.10 }\r\n\n[1,2]\n\"text\"\n{\"id\":}\n{\"id\":\"\xff\"}\n{\"id\":3}")
	want := []string{`{ "id": 1, "x": 1.10 }`, `[1,2]`, `"text"`, "!", "!", `{"id":3}`}
	for i, g := range all {
		if g.err != nil {
			all[i].err, all[i].value = nil, "!"
		}
	}
	if got := valuesOf(all); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if all[5].headers["file.line"] != "7" {
		t.Errorf("last record has the headers %v", all[5].headers)
	}
}

func TestJSONRefused(t *testing.T) {
	all := readAll(t, "a.jsonl", "{\"id\":1}\n{\"id\":}\n")
	if len(all) != 2 || all[1].err == nil || all[1].value != `{"id":}` {
		t.Fatalf("got %+v", all)
	}
	if text := all[1].err.Error(); !strings.Contains(text, "a.jsonl, line 2: JSON at byte 6") {
		t.Errorf("error %q", text)
	}
}

func TestJSONLongLine(t *testing.T) {
	text := `{"id":1}` + "\n" + `{"id":"` + strings.Repeat("x", 3*window) + `"}` + "\n" + `{"id":2}` + "\n"
	all := readAll(t, "a.jsonl", text, "max.line.bytes", "64", "on.long.line", "skip")
	if got := valuesOf(all); !slices.Equal(got, []string{`{"id":1}`, `{"id":2}`}) {
		t.Errorf("got %.200q", got)
	}
	if all := readAll(t, "a.jsonl", text, "max.line.bytes", "64", "on.long.line", "truncate"); len(all) != 3 || all[1].err == nil {
		t.Errorf("a part of a JSON text was taken as one: %d records", len(all))
	}
}

func TestJSONDocument(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"array":            {"[{\"a\":1},\n {\"a\":[2,\"]\"]}\n]\n", []string{`{"a":1}`, `{"a":[2,"]"]}`}},
		"empty array":      {"[]", nil},
		"objects":          {"{\"a\":1}\n{\n \"a\": \"}\\\"\"\n}{\"a\":3}", []string{`{"a":1}`, "{\n \"a\": \"}\\\"\"\n}", `{"a":3}`}},
		"several arrays":   {"[1,2]\n[3]", []string{"1", "2", "3"}},
		"arrays in arrays": {"[[1,2],[3]]", []string{"[1,2]", "[3]"}},
		"scalars":          {`[1,"x",true,null]`, []string{"1", `"x"`, "true", "null"}},
		"mark":             {"\xef\xbb\xbf[1]", []string{"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := valuesOf(readAll(t, "a.json", test.text)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A document is gone on with inside of its array.
func TestJSONDocumentRestart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	c := settings(t, tailing(dir)...)
	write(t, path, "[\n{\"a\":1},\n{\"a\":2}")
	r := start(t, c, nil)
	r.want(`{"a":1}`, `{"a":2}`)
	r.stop()
	extend(t, path, ",\n[3,4]\n]")
	start(t, c, r.offsets).want("[3,4]")
}

func TestJSONKeyAndTime(t *testing.T) {
	text := `{"id":7,"at":1795222923456,"x":"a"}` + "\n" + `{"id":8}` + "\n"
	all := readAll(t, "a.jsonl", text, "key.fields", "id", "timestamp.mode", "FIELD", "timestamp.field", "at")
	if len(all) != 2 || all[0].key != "7" || all[0].time != 1795222923456 || all[0].value != `{"id":7,"at":1795222923456,"x":"a"}` {
		t.Errorf("got %+v", all)
	}
	if all[1].err == nil || !strings.Contains(all[1].err.Error(), `there is no "at"`) {
		t.Errorf("got %+v", all[1])
	}
}

// With transforms, members are fields; without, the text goes on byte for byte.
func TestJSONFields(t *testing.T) {
	for transforms, want := range []record.Kind{record.JSON, record.Struct} {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		write(t, path, `{"id":1}`+"\n")
		env := envOf("files-source")
		env.Transforms = transforms
		s, err := New(settings(t, fast(filepath.Dir(path))...), env)
		if err != nil {
			t.Fatal(err)
		}
		j, err := newJSONRecords(s.(*Source).config, newOutput(s.(*Source).config, path, noTime), s.(*Source).env.Transforms)
		if err != nil {
			t.Fatal(err)
		}
		var b record.Batch
		j.add(&b, []byte(`{"id":1}`), 0, 0)
		if got := b.Records[0].Value.Value.Kind; got != want {
			t.Errorf("%d transforms: kind %d, want %d", transforms, got, want)
		}
	}
	var _ connect.Source = (*Source)(nil)
}

// FuzzJSONDocument: what comes out of an array is what encoding/json finds in it.
func FuzzJSONDocument(f *testing.F) {
	f.Add(`[{"a":"\"]"},[1,[]],"x,",-1.5e3,null]`, uint8(1))
	f.Add("[1 ,\n2]", uint8(2))
	c := settings(f, "topic", "rows", "input.path", "/x")
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		var want []json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || !strings.HasPrefix(strings.TrimSpace(text), "[") {
			return
		}
		in := newInput(&slow{text: text, step: int(step%8) + 1}, 1<<20, 1024)
		j, err := newJSONRecords(c, newOutput(c, "fuzz", noTime), 0)
		if err != nil {
			t.Fatal(err)
		}
		var b record.Batch
		d := newJSONDocument(j, in)
		for {
			if err = d.next(&b, true); err != nil {
				break
			}
		}
		if err != errMore {
			t.Fatal(err)
		}
		if len(b.Records) != len(want) {
			t.Fatalf("%d elements, want %d", len(b.Records), len(want))
		}
		if len(b.Failed()) > 0 {
			return // not UTF-8
		}
		for i := range want {
			if got := string(b.Records[i].Value.Value.B); got != string(want[i]) {
				t.Errorf("element %d is %q, want %q", i, got, want[i])
			}
		}
	})
}
