package convert

import (
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
