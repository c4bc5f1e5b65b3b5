package postgres

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain text", "tab\there", `back\slash`, "line\nend\r", "eight by\x01tes\\\\", "\x1f\x20\x7f\xff\\"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		field, err := appendEscaped(nil, text, false)
		if bytes.IndexByte(text, 0) >= 0 {
			if err == nil {
				t.Fatalf("%q: got no error, want one for the NUL", text)
			}
			field, _ = appendEscaped(nil, text, true)
			text = bytes.ReplaceAll(text, []byte{0}, nil)
		}
		if got := unescaped(field); !bytes.Equal(got, text) {
			t.Errorf("%q: got %q back from %q", text, got, field)
		}
		if i := bytes.IndexAny(field, "\t\n\r"); i >= 0 {
			t.Errorf("%q: there is a separator in %q", text, field)
		}
	})
}

func TestMomentsLikeTheStandardLibrary(t *testing.T) {
	for range 10_000 {
		m := time.UnixMicro(rand.Int64N(253402300799e6)) // to the end of year 9999
		if rand.IntN(2) == 0 {
			m = time.UnixMicro(-rand.Int64N(62135596800e6)) // from the beginning of year 1
		}
		got := string(appendMoment(nil, m.UnixMicro(), true))
		if want := m.UTC().Format("2006-01-02 15:04:05.999999+00"); got != want {
			t.Fatalf("%d: got %s, want %s", m.UnixMicro(), got, want)
		}
	}
}

func TestISO(t *testing.T) {
	tests := []struct {
		text      string
		iso, zone bool
	}{
		{text: "2026-11-21T01:02:03Z", iso: true, zone: true},
		{text: "2026-11-21 01:02:03.123456+02:00", iso: true, zone: true},
		{text: "2026-11-21T01:02:03", iso: true},
		{text: "2026-11-21T01:02:03-00:30", iso: true, zone: true},
		{text: "2026-13-21T01:02:03Z", zone: true},
		{text: "2026-11-21T01:02", iso: false},
		{text: "2026-11-21T01:02:03.Z", zone: true},
		{text: "2026-11-21", iso: false},
	}
	for _, test := range tests {
		if got := isISO([]byte(test.text)); got != test.iso {
			t.Errorf("isISO(%s): got %t", test.text, got)
		}
		if got := hasZone([]byte(test.text)); got != test.zone {
			t.Errorf("hasZone(%s): got %t", test.text, got)
		}
	}
}

func TestKeyIndex(t *testing.T) {
	x := newKeyIndex()
	for round := range 2 {
		for i := range 5000 {
			e := x.at(fmt.Appendf(nil, "%d\n", i%2500))
			e.row += i
		}
		if len(x.entries) != 2500 {
			t.Fatalf("round %d: got %d keys, want 2500", round, len(x.entries))
		}
		for i := range x.entries {
			if got, want := x.entries[i].row, 2*i+2500; got != want {
				t.Fatalf("round %d: key %d: got %d, want %d", round, i, got, want)
			}
		}
		x.reset()
	}
}

func TestCanonicalKeys(t *testing.T) {
	tests := []struct {
		typ        typ
		text, want string
	}{
		{typ{form: numericForm}, "1.50", "1.5"}, {typ{form: numericForm}, "100", "100"}, {typ{form: numericForm}, "2.00", "2"},
		{typ{form: textForm}, "a ", "a "}, {typ{form: textForm, blanks: true}, "a  ", "a"}, {typ{form: textForm, caseless: true}, "Ab", "ab"},
	}
	for _, test := range tests {
		if got := string(test.typ.canonical([]byte(test.text))); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
}
