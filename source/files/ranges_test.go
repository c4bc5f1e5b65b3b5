package files

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// numbered is so many lines of different lengths, each with its number as its id.
func numbered(n int, line func(i int, filler string) string) (text string, ids []string) {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i, strings.Repeat("x", i*7%90)) + "\n")
		ids = append(ids, fmt.Sprint(i))
	}
	return b.String(), ids
}

func jsonLine(i int, filler string) string { return fmt.Sprintf(`{"id":%d,"text":"%s"}`, i, filler) }

// ranged are settings under which a file of some kilobytes is read in ranges after a first turn.
func ranged(dir string, more ...string) []string {
	return fast(dir, append([]string{"parallel.ranges", "3", "key.fields", "id", "batch.size", "20"}, more...)...)
}

func keysOf(all []got) (keys []string) {
	for _, g := range all {
		keys = append(keys, g.key)
	}
	return keys
}

// sameKeys fails the test unless these are the keys, in any order.
func sameKeys(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %d records with %d keys, want %d", what, len(got), len(slices.Compact(got)), len(want))
	}
}

// All lines of a large file arrive once when it is read in ranges, whatever the format; also the
// last one without a line end, and what is added while it is read.
func TestRanges(t *testing.T) {
	for name, line := range map[string]func(int, string) string{
		"a.jsonl": jsonLine,
		"a.csv":   func(i int, filler string) string { return fmt.Sprintf("%d,%s", i, filler) },
	} {
		t.Run(name, func(t *testing.T) {
			text, ids := numbered(2000, line)
			if strings.HasSuffix(name, ".csv") {
				text = "id,text\n" + text
			}
			text += line(2000, "")
			path := filepath.Join(t.TempDir(), name)
			write(t, path, text)
			r := start(t, settings(t, ranged(filepath.Dir(path), "csv.quote.char", "0")...), nil)
			r.manual = true
			spans := 0
			r.until("the file is done", func() bool {
				for _, b := range r.sent {
					for _, o := range b.Offsets {
						if st, err := parseState(o.Offset); err == nil {
							spans = max(spans, len(st.Ranges))
						}
					}
					r.retire(b)
				}
				r.sent = nil
				return strings.Contains(r.state(), `"done":true`)
			})
			sameKeys(t, "whole", keysOf(r.all), append(ids, "2000"))
			if spans != 3 {
				t.Errorf("read in %d ranges, want 3", spans)
			}
			inOrder := 0
			for _, g := range r.all {
				if want := fmt.Sprint(strings.Count(text[:offsetOf(t, g)], "\n") + 1); g.headers["file.line"] == want {
					inOrder++
				} else if _, ok := g.headers["file.line"]; ok {
					t.Fatalf("record %s has the line %s, want %s or none", g.key, g.headers["file.line"], want)
				}
			}
			if inOrder == 0 || inOrder == len(r.all) {
				t.Errorf("%d of %d records have file.line, want those before the ranges", inOrder, len(r.all))
			}
			r.stop()
			extend(t, path, "\n"+line(2001, "")+"\n")
			again := start(t, settings(t, ranged(filepath.Dir(path), "csv.quote.char", "0")...), r.offsets)
			again.until("what was added", func() bool { return len(again.all) > 0 })
			again.rest()
			sameKeys(t, "added", keysOf(again.all), []string{"2001"})
		})
	}
}

func offsetOf(t *testing.T, g got) (at int) {
	t.Helper()
	if _, err := fmt.Sscan(g.headers["file.offset"], &at); err != nil {
		t.Fatal(err)
	}
	return at
}

// A restart in the middle of ranges goes on in each of them. Who knows of no ranges loses nothing.
func TestRangesRestart(t *testing.T) {
	text, ids := numbered(1500, jsonLine)
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, text)
	c := settings(t, ranged(filepath.Dir(path))...)
	offsets := map[string][]byte{}
	var before []string
	for lives := 0; len(before) < len(ids); lives++ {
		r := start(t, c, offsets)
		r.manual = true
		for range 5 + lives%3 { // so many batches become durable in this life
			r.until("a batch", func() bool { return len(r.sent) > 0 || strings.Contains(r.state(), `"done":true`) })
			if len(r.sent) == 0 {
				break
			}
			for _, g := range r.all[:len(r.sent[0].Records)] {
				before = append(before, g.key)
			}
			r.all = r.all[len(r.sent[0].Records):]
			r.retire(r.sent[0])
			r.sent = r.sent[1:]
		}
		r.stop()
		offsets = r.offsets
		st := onlyState(t, offsets)
		if len(st.Ranges) == 0 || lives%4 != 0 {
			continue
		}
		// As an older version would store it.
		st.Ranges = nil
		for p := range offsets {
			old := start(t, settings(t, fast(filepath.Dir(path), "key.fields", "id")...), map[string][]byte{p: st.append(nil)})
			old.until("it is done", func() bool { return strings.Contains(old.state(), `"done":true`) })
			old.stop()
			all := slices.Sorted(slices.Values(append(keysOf(old.all), before...)))
			sameKeys(t, "by an older version", slices.Compact(all), ids)
		}
	}
	sameKeys(t, "by restarts", before, ids)
}

func onlyState(t *testing.T, offsets map[string][]byte) state {
	t.Helper()
	for _, o := range offsets {
		st, err := parseState(o)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	return state{}
}

// A file that was replaced while it was read in ranges is read anew.
func TestRangesReplaced(t *testing.T) {
	text, ids := numbered(1500, jsonLine)
	path := filepath.Join(t.TempDir(), "a.jsonl")
	write(t, path, text)
	c := settings(t, ranged(filepath.Dir(path))...)
	r := start(t, c, nil)
	r.until("ranges", func() bool { return strings.Contains(r.state(), `"ranges"`) })
	r.stop()
	other := strings.ReplaceAll(text[:len(text)/2], "x", "y")
	write(t, path, text[:len(text)/2-len(other)/4]+other[len(other)*3/4:]+text[len(text)/2:])
	again := start(t, c, r.offsets)
	again.until("all of it", func() bool { return strings.Contains(again.state(), `"done":true`) })
	again.stop()
	all := slices.Sorted(slices.Values(append(keysOf(again.all), keysOf(r.all)...)))
	sameKeys(t, "both", slices.Compact(all), ids)
}

// Objects in buckets are read in ranges too.
func TestRangesOfBucket(t *testing.T) {
	s := newStore3(t)
	text, ids := numbered(1500, jsonLine)
	s.put("in/a.jsonl", text)
	r := start(t, s.settings("parallel.ranges", "3", "key.fields", "id", "batch.size", "20"), nil)
	r.until("all", func() bool { return len(r.all) >= len(ids) })
	r.rest()
	sameKeys(t, "whole", keysOf(r.all), ids)
}

// TestCrashRanges kills the reader of large files in ranges.
func TestCrashRanges(t *testing.T) {
	for _, once := range []string{"requested", "required"} {
		t.Run(once, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := newCrashing(t, map[string]string{"input.path": dir, "parallel.ranges": "3", "exactly.once.support": once})
			want := map[string]bool{}
			for f := range 2 {
				var text strings.Builder
				for i := range 2000 {
					line := fmt.Sprintf("file %d line %d %s", f, i, strings.Repeat("x", i%50))
					want[line] = true
					text.WriteString(line + "\n")
				}
				write(t, filepath.Join(dir, fmt.Sprintf("%d.txt", f)), text.String())
			}
			for range 6 {
				c.live(func() {}) // nothing is written meanwhile
			}
			c.drain(want)
			c.doubled(once)
		})
	}
}
