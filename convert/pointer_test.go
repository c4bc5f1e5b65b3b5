package convert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	const text = ` {"a/b": {"c": [1, {"d": "x\"y"}]}, "\u0065": null, "next": "n", "a/b": {"c": [2]} } `
	for _, c := range []struct{ pointer, want string }{
		{"", strings.TrimSpace(text)},
		{"/", strings.TrimSpace(text)},
		{"/next", `"n"`},
		{"/e", "null"},
		{"/a~1b/c/0", "2"}, // of names that repeat, the last one counts
		{"/a~1b/c/1/d", `"x\"y"`},
		{"/missing", ""},
		{"/next/deeper", ""},
		{"/a~1b/c/9", ""},
	} {
		p, err := ParsePointer(c.pointer)
		if err != nil {
			t.Fatal(err)
		}
		next, _ := ParsePointer("/next")
		parts := make([][]byte, 2)
		if err := Find([]byte(text), []Pointer{p, next}, parts); err != nil {
			t.Fatalf("%s: %v", c.pointer, err)
		}
		if string(parts[0]) != c.want || string(parts[1]) != `"n"` {
			t.Errorf("%s is %s, want %s; the other one is %s", c.pointer, parts[0], c.want, parts[1])
		}
	}
	for _, bad := range []string{"", "{", `{"a":1} x`, `{"a":1,}`, `{"next":`, `[1,2`} {
		if err := Find([]byte(bad), []Pointer{{"a"}}, make([][]byte, 1)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	if _, err := ParsePointer("$.data.id"); err == nil || !strings.Contains(err.Error(), "write /data/id") {
		t.Errorf("a JSONPath: %v", err)
	}
}

func TestElements(t *testing.T) {
	var got []string
	err := Elements([]byte(` [ 1 , "a, b" , {"c": [2]},[] ] `), func(e []byte) error {
		got = append(got, string(e))
		return nil
	})
	if want := []string{"1", `"a, b"`, `{"c": [2]}`, "[]"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"{}", "[1", "[1,]", "[1] 2", ""} {
		if err := Elements([]byte(bad), func([]byte) error { return nil }); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestAppendCompact(t *testing.T) {
	const text = "{ \"a b\" : \"c \\\" \\\\\",\n\t\"d\":[ 1, 2 ] }\r\n"
	if got, want := string(AppendCompact(nil, []byte(text))), `{"a b":"c \" \\","d":[1,2]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"\u00e9"},1.5e3]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		parts := make([][]byte, 2)
		if Find(data, []Pointer{nil, {"a", "0", "b"}}, parts) != nil {
			return
		}
		compact := AppendCompact(nil, parts[0])
		if err := Find(compact, []Pointer{nil, {"a", "0", "b"}}, parts); err != nil || string(parts[0]) != string(compact) {
			t.Errorf("%q became %q: %v", data, compact, err)
		}
	})
}

func TestFindList(t *testing.T) {
	for _, c := range []struct {
		text, list, token string // token may lead into the list
		want              []string
		compact           bool
		found             string // at token
	}{
		{`{"next":"n","data":[{"a":1},2]}`, "/data", "/next", []string{`{"a":1}`, "2"}, true, `"n"`},
		{` { "data" : [ {"a":1} , "x y" ] } `, "/data", "/next", []string{`{"a":1}`, `"x y"`}, true, ""},
		{`{"data":[{"a": 1},2]}`, "/data", "/next", []string{`{"a": 1}`, "2"}, false, ""},
		{`[1,[2]]`, "", "/next", []string{"1", "[2]"}, false, ""}, // the token could be in it
		{`{"data":[1,{"next":2}]}`, "/data", "/data/1/next", []string{"1", `{"next":2}`}, false, "2"},
		{`{"data":[1],"data":[2, 3]}`, "/data", "/next", []string{"2", "3"}, true, ""},
		{`{"data":[1],"data":null}`, "/data", "/next", nil, false, ""},
		{`{"data":{"a":1}}`, "/data", "/next", nil, false, ""},
		{`{"data":[]}`, "/data", "/next", nil, true, ""},
		{`{}`, "/data", "/next", nil, false, ""},
	} {
		list, _ := ParsePointer(c.list)
		token, _ := ParsePointer(c.token)
		parts := make([][]byte, 2)
		elements, compact, err := FindList(nil, []byte(c.text), []Pointer{list, token}, parts)
		var got []string
		for _, e := range elements {
			got = append(got, string(e))
		}
		if err != nil || !slices.Equal(got, c.want) || compact != c.compact || string(parts[1]) != c.found {
			t.Errorf("%s: got %q, compact %v, token %s, %v; want %q, %v, %s", c.text, got, compact, parts[1], err, c.want, c.compact, c.found)
		}
	}
	for _, bad := range []string{"", `{"data":[1}`, `{"data":[1]`, `{"data":[1]} x`} {
		if _, _, err := FindList(nil, []byte(bad), []Pointer{{"data"}}, make([][]byte, 1)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestPick(t *testing.T) {
	const text = `{"id":1,"a":{"b":[0,"x"]},"id":2,"not JSON`
	whole, id, deep := Pointer(nil), Pointer{"id"}, Pointer{"a", "b", "1"}
	parts := make([][]byte, 2)
	if err := Pick([]byte(text), []Pointer{id, deep}, parts); err != nil || string(parts[0]) != "1" || string(parts[1]) != `"x"` {
		t.Errorf("got %q, %v", parts, err)
	}
	const good = `{"id":1,"a":2}`
	for want, pointers := range map[string][]Pointer{`["1" "{\"id\":1,\"a\":2}"]`: {id, whole}, `["1" ""]`: {id, {"none"}}, `["" ""]`: {{"id", "x"}, {"none"}}} {
		if err := Pick([]byte(good), pointers, parts); err != nil || fmt.Sprintf("%q", parts) != want {
			t.Errorf("got %q, %v; want %s", parts, err, want)
		}
	}
}
