package files

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// readAll reads text as one complete file of that name.
func readAll(t *testing.T, name, text string, pairs ...string) []got {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, text)
	r := start(t, settings(t, fast(filepath.Dir(path), pairs...)...), nil)
	r.until("the file is done", func() bool { return strings.Contains(r.state(), `"done":true`) })
	r.stop()
	return r.all
}

func valuesOf(all []got) (values []string) {
	for _, g := range all {
		if g.err != nil {
			values = append(values, "!"+g.err.Error())
		} else {
			values = append(values, g.value)
		}
	}
	return values
}

// A line that is longer than max.line.bytes does what on.long.line says, also when it is longer
// than every buffer, and the next lines are fine.
func TestLongLine(t *testing.T) {
	for _, n := range []int{65, 1000, window - 1, window, 3 * window} {
		text := "one\n" + strings.Repeat("é", n) + "\ntwo\n" + strings.Repeat("x", n)
		for policy, want := range map[string][]string{
			"skip":     {"one", "two"},
			"truncate": {"one", strings.Repeat("é", 32), "two", strings.Repeat("x", 65)},
			"fail":     {"one", "!", "two", "!"},
		} {
			all := valuesOf(readAll(t, "a.log", text, "max.line.bytes", "65", "on.long.line", policy))
			for i := range all {
				if strings.HasPrefix(all[i], "!") && strings.Contains(all[i], "longer than max.line.bytes") {
					all[i] = "!"
				}
			}
			if n == 65 && policy != "truncate" { // the last line just fits
				want = append(want[:len(want):len(want)], strings.Repeat("x", n))
				if policy == "fail" {
					want = append([]string{"one", "!", "two"}, strings.Repeat("x", n))
				}
			}
			if !slices.Equal(all, want) {
				t.Errorf("%s, %d: got %.200q, want %.200q", policy, n, all, want)
			}
		}
	}
}

// After a restart behind a long line nothing is lost or doubled.
func TestLongLineRestart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "max.line.bytes", "64", "on.long.line", "skip")...)
	write(t, path, "one\n"+strings.Repeat("x", 2*window))
	r := start(t, c, nil)
	r.want("one")
	r.stop()
	extend(t, path, "more\ntwo\n")
	again := start(t, c, r.offsets)
	again.want("two")
	again.stop()
	extend(t, path, "three\n")
	start(t, c, again.offsets).want("three")
}

func TestNotUTF8(t *testing.T) {
	const text = "one\n\xff\xfe bad\ntwo\n"
	for policy, want := range map[string][]string{
		"keep":    {"one", "\xff\xfe bad", "two"},
		"replace": {"one", "\uFFFD bad", "two"},
		"skip":    {"one", "two"},
	} {
		if all := valuesOf(readAll(t, "a.log", text, "invalid.characters", policy)); !slices.Equal(all, want) {
			t.Errorf("%s: got %q, want %q", policy, all, want)
		}
	}
	all := readAll(t, "a.log", text)
	if len(all) != 3 || all[1].err == nil || !strings.Contains(all[1].err.Error(), "line 2: is not UTF-8") || all[1].value != "\xff\xfe bad" {
		t.Errorf("fail: got %+v", all)
	}
}

func TestCharset(t *testing.T) {
	latin, err := charmap.ISO8859_1.NewEncoder().String("é\nü\n")
	if err != nil {
		t.Fatal(err)
	}
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("é\nü\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"é", "ü"}
	if all := valuesOf(readAll(t, "a.log", latin, "file.charset", "ISO-8859-1")); !slices.Equal(all, want) {
		t.Errorf("ISO-8859-1: %q", all)
	}
	if all := valuesOf(readAll(t, "a.log", utf16)); !slices.Equal(all, want) {
		t.Errorf("UTF-16 by its mark: %q", all)
	}
	if all := valuesOf(readAll(t, "a.log.gz", packed(t, latin), "file.charset", "ISO-8859-1")); !slices.Equal(all, want) {
		t.Errorf("packed ISO-8859-1: %q", all)
	}
}

func TestEmptyLines(t *testing.T) {
	if all := valuesOf(readAll(t, "a.log", "\n\none\n\n")); !slices.Equal(all, []string{"", "", "one", ""}) {
		t.Errorf("got %q", all)
	}
	if all := valuesOf(readAll(t, "a.log", "\n\none\n\n", "lines.skip.empty", "true")); !slices.Equal(all, []string{"one"}) {
		t.Errorf("got %q", all)
	}
}

// FuzzLines: the lines and their ends make up the whole content, in whatever steps it comes.
func FuzzLines(f *testing.F) {
	f.Add("one\ntwo", uint8(1))
	f.Add("\r\n\n"+strings.Repeat("x", 200)+"\nend\n", uint8(7))
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		in := newInput(&slow{text: text, step: int(step) + 1}, 64, 32)
		var lines []string
		for {
			line, err := in.next(true)
			if err == errMore {
				break
			}
			if err != nil && err != errLong {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
			in.commit()
			end := text[max(0, int(in.position)-tailBytes):in.position]
			if string(in.tail()) != end {
				t.Fatalf("at %d the tail is %q, want %q", in.position, in.tail(), end)
			}
		}
		if in.position != int64(len(text)) || string(in.head) != text[:min(len(text), 32)] {
			t.Fatalf("position %d of %d, head %q", in.position, len(text), in.head)
		}
		want := strings.Split(text, "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		for i := range want {
			if len(want[i]) > 64 {
				want[i] = want[i][:64]
			} else {
				want[i] = strings.TrimSuffix(want[i], "\r")
			}
		}
		if !slices.Equal(lines, want) {
			t.Fatalf("lines %q, want %q", lines, want)
		}
	})
}
