package config

import (
	"maps"
	"strings"
	"testing"
)

// The cases are those of java.util.Properties' documentation, and what it leaves to guess as
// measured with Java.
func TestParseProperties(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
	}{
		{"separators", "a=1\nb:2\nc 3\nd\t4\ne = 5\nf : 6\ng  7", map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6", "g": "7"}},
		{"only the first separator counts", "a==1\nb=:2\nc:=3\nd = e = f", map[string]string{"a": "=1", "b": ":2", "c": "=3", "d": "e = f"}},
		{"no value", "a\nb=\nc:", map[string]string{"a": "", "b": "", "c": ""}},
		{"comments", "# a=1\n  ! b=2\n\n \t\nc=3 # not one", map[string]string{"c": "3 # not one"}},
		{"white space", "  a = 1  \n\t\fb=2", map[string]string{"a": "1  ", "b": "2"}},
		{"continued", "fruits apple, \\\n   banana, \\\n\tpear\nx=1", map[string]string{"fruits": "apple, banana, pear", "x": "1"}},
		{"continued comment is none", "# a \\\nb=1", map[string]string{"b": "1"}},
		{"continued into a comment sign", "a=1\\\n#2", map[string]string{"a": "1#2"}},
		{"even backslashes do not continue", "a=1\\\\\nb=2", map[string]string{"a": `1\`, "b": "2"}},
		{"continued at the end", "a=1\\", map[string]string{"a": "1"}},
		{"escaped separators", `a\=b=1` + "\n" + `c\:d:2` + "\n" + `e\ f 3`, map[string]string{"a=b": "1", "c:d": "2", "e f": "3"}},
		{"escapes", `a=\t\n\r\f\\\"\'\z`, map[string]string{"a": "\t\n\r\f\\\"'z"}},
		{"unicode", `a=\u00e9\u20AC` + "\n" + `\u0062=ü` + "\n" + `c=\ud83d\ude00!`, map[string]string{"a": "é€", "b": "ü", "c": "😀!"}},
		{"line ends", "a=1\r\nb=2\rc=3\\\r\n 4", map[string]string{"a": "1", "b": "2", "c": "34"}},
		{"the last counts", "a=1\na=2", map[string]string{"a": "2"}},
		{"no key", "=1", map[string]string{"": "1"}},
		{"empty", "", map[string]string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseProperties([]byte(test.text))
			if err != nil || !maps.Equal(got, test.want) {
				t.Errorf("parseProperties(%q)\ngot  %q, %v\nwant %q", test.text, got, err, test.want)
			}
		})
	}
}

// A wrong escape is an error that shows the line's number and nothing of the line.
func TestParsePropertiesError(t *testing.T) {
	for _, text := range []string{"a=1\nsecret=\\u12", "a=1\nsecret=\\uXYZW", "a=1\n\\u1=secret"} {
		_, err := parseProperties([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "secret") {
			t.Errorf("parseProperties(%q): got error %v, want one that names line 2 only", text, err)
		}
	}
}

func FuzzParseProperties(f *testing.F) {
	f.Add([]byte("a = 1\nb:2\\\n 3\nc\\u00e9 x\n"))
	f.Add([]byte(`\u`))
	f.Fuzz(func(t *testing.T, data []byte) {
		properties, err := parseProperties(data)
		if err != nil && properties != nil {
			t.Errorf("an error together with %d properties", len(properties))
		}
		// What was read, written with every letter escaped that could mean something, is read
		// as the same again.
		var again strings.Builder
		for key, value := range properties {
			again.WriteString(escapeProperty(key) + "=" + escapeProperty(value) + "\n")
		}
		second, err := parseProperties([]byte(again.String()))
		if err != nil || !maps.Equal(properties, second) {
			t.Errorf("got %q, %v after writing %q", second, err, properties)
		}
	})
}

func escapeProperty(s string) string {
	var out strings.Builder
	for i := range len(s) {
		switch s[i] {
		case '\n':
			out.WriteString(`\n`)
		case '\r':
			out.WriteString(`\r`)
		case '\\', '=', ':', ' ', '\t', '\f', '#', '!':
			out.WriteByte('\\')
			fallthrough
		default:
			out.WriteByte(s[i])
		}
	}
	return strings.NewReplacer("\\\t", `\t`, "\\\f", `\f`).Replace(out.String())
}
