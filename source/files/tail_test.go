package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func tailing(dir string, more ...string) []string {
	return fast(dir, append([]string{"mode", "tail"}, more...)...)
}

// A writer appends half a line, then the rest: one record.
func TestTailHalfLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\ntw")
	r := start(t, settings(t, tailing(filepath.Dir(path))...), nil)
	r.want("one")
	extend(t, path, "o\nthree\n")
	r.want("one", "two", "three")
}

// What is left in the window when a file's turn is over is read in its next turn.
func TestTailTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var text strings.Builder
	var want []string
	for i := range 5*turn + 3 {
		want = append(want, fmt.Sprint("line ", i))
		text.WriteString(want[i] + "\n")
	}
	write(t, path, text.String())
	start(t, settings(t, tailing(filepath.Dir(path), "batch.size", "1", "watch", "false")...), nil).want(want...)
}

func TestTailFinalizesLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\ntwo")
	r := start(t, settings(t, tailing(filepath.Dir(path), "finalize.after.ms", "30")...), nil)
	r.want("one", "two")
}

// Lines that are written before and after a rename arrive once, also those that the writer adds
// to the renamed file, and with a restart at any place.
func TestTailRotationByRename(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "*.log")...)
	write(t, path, "a1\na2\n")
	r := start(t, c, nil)
	r.want("a1", "a2")
	move(t, path, path+".1") // not selected any more, but open
	extend(t, path+".1", "a3\n")
	write(t, path, "b1\n")
	r.wantAny("a1", "a2", "a3", "b1")
	r.stop()

	again := start(t, c, r.offsets)
	extend(t, path, "b2\n")
	again.want("b2")
}

func TestTailRotationWhileStopped(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "app.log*")...)
	write(t, path, "a1\na2\n")
	r := start(t, c, nil)
	r.want("a1", "a2")
	r.stop()
	extend(t, path, "a3\n")
	move(t, path, path+".1")
	write(t, path, "b1\n")
	again := start(t, c, r.offsets)
	again.wantAny("a3", "b1")
}

// The last line of a rotated file has no line end: it is a record once nothing follows.
func TestTailRotatedLastLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "*.log", "rotate.wait.ms", "60")...)
	write(t, path, "one\ntwo")
	r := start(t, c, nil)
	r.want("one")
	move(t, path, path+".1")
	r.want("one", "two")
	r.until("the state is forgotten", func() bool { return len(r.offsets) == 0 })
}

func TestTailDeletedWhileReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	c := settings(t, tailing(filepath.Dir(path), "rotate.wait.ms", "60")...)
	write(t, path, "one\n")
	r := start(t, c, nil)
	r.want("one")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("two\n"); err != nil {
		t.Fatal(err)
	}
	r.want("one", "two")
}

func TestTailTruncate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	c := settings(t, tailing(filepath.Dir(path))...)
	write(t, path, "a1\na2\na3\n")
	r := start(t, c, nil)
	r.want("a1", "a2", "a3")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	extend(t, path, "b1\n")
	r.want("a1", "a2", "a3", "b1")
}

// A file that is truncated and grows beyond the position before anybody looks is not read on
// from the middle of a line.
func TestTailTruncateAndGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	c := settings(t, tailing(filepath.Dir(path))...)
	write(t, path, "a1\na2\n")
	r := start(t, c, nil)
	r.want("a1", "a2")
	write(t, path, "b1\nb2\nb3\nb4\n") // os.WriteFile truncates in place
	r.want("a1", "a2", "b1", "b2", "b3", "b4")
	r.stop()
	write(t, path, "c1\nc2\nc3\nc4\nc5\n")
	again := start(t, c, r.offsets)
	again.want("c1", "c2", "c3", "c4", "c5")
}

// The file is copied, and truncated then: what was not read before is in the copy, and what was
// is not read again.
func TestTailCopyTruncate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "app.log*", "fingerprint.bytes", "64")...)
	long := strings.Repeat("x", 300)
	write(t, path, "a1 "+long+"\na2\n")
	r := start(t, c, nil)
	r.want("a1 "+long, "a2")

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+".1", string(text))
	r.rest() // the copy is seen before the file is truncated
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	extend(t, path, "b1\n")
	r.want("a1 "+long, "a2", "b1")
}

// A new file whose first bytes are those of a large one is not taken for its copy when the large
// one goes away.
func TestTailNoCopy(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "fingerprint.bytes", "64", "rotate.wait.ms", "300")...)
	long := strings.Repeat("x", 300)
	write(t, path, "line 1 "+long+"\n")
	r := start(t, c, nil)
	r.want("line 1 " + long)
	write(t, filepath.Join(dir, "new.log"), "line ")
	r.rest()
	extend(t, filepath.Join(dir, "new.log"), "2\n")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.want("line 1 "+long, "line 2")
}

func TestTailCopyTruncateWhileStopped(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "app.log*", "fingerprint.bytes", "64")...)
	long := strings.Repeat("x", 300)
	write(t, path, "a1 "+long+"\n")
	r := start(t, c, nil)
	r.want("a1 " + long)
	r.stop()
	write(t, path+".1", "a1 "+long+"\na2\n")
	write(t, path, "b1\n")
	again := start(t, c, r.offsets)
	again.wantAny("a2", "b1")
}

// A rotated file that is compressed keeps its position: positions are in the content.
func TestTailGzipOfRotated(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "app.log*", "fingerprint.bytes", "64")...)
	long := strings.Repeat("x", 300)
	write(t, path, "a1 "+long+"\n")
	r := start(t, c, nil)
	r.want("a1 " + long)
	r.stop()
	write(t, path+".1.gz", packed(t, "a1 "+long+"\na2\nlast"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "b1\n")
	again := start(t, c, r.offsets)
	again.wantAny("a2", "last", "b1")
}

func TestTailGzipOfRotatedWhileRunning(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "include", "app.log*", "fingerprint.bytes", "64")...)
	long := strings.Repeat("x", 300)
	write(t, path, "a1 "+long+"\n")
	r := start(t, c, nil)
	r.want("a1 " + long)
	move(t, path, path+".1")
	write(t, path, "b1\n")
	r.want("a1 "+long, "b1")
	write(t, filepath.Join(dir, ".packing"), packed(t, "a1 "+long+"\n"))
	move(t, filepath.Join(dir, ".packing"), path+".1.gz")
	if err := os.Remove(path + ".1"); err != nil {
		t.Fatal(err)
	}
	r.want("a1 "+long, "b1")
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A file and what compressing makes of it, both found at once and not read yet, are one; two that
// differ are both read.
func TestTailGzipBesideOriginal(t *testing.T) {
	for _, text := range []string{"a short one\n", strings.Repeat("a long line\n", 500)} {
		dir := t.TempDir()
		original := filepath.Join(dir, "app.log.1")
		write(t, original, text)
		write(t, original+".gz", packed(t, text))
		write(t, filepath.Join(dir, "other.log"), "one\n")
		write(t, filepath.Join(dir, "other.log.gz"), packed(t, "two\n"))
		c := settings(t, fast(dir, "mode", "tail", "rotate.wait.ms", "500")...)
		r := start(t, c, nil)
		want := append(strings.Split(strings.TrimSuffix(text, "\n"), "\n"), "one")
		r.until("the originals", func() bool { return len(r.all) >= len(want) })
		if err := os.Remove(original); err != nil {
			t.Fatal(err)
		}
		r.wantAny(append(want, "two")...)
		r.until("the compressed one takes the place", func() bool { return strings.Contains(r.state(), original+".gz") })
		r.stop()
		start(t, c, r.offsets).wantAny()
	}
}

func TestTailReadFromEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	c := settings(t, tailing(dir, "read.from", "end")...)
	write(t, path, "old\nhalf")
	r := start(t, c, nil)
	r.until("the position is stored", func() bool { return len(r.offsets) == 1 })
	r.stop()
	extend(t, path, " line\nnew\n") // while it is stopped
	again := start(t, c, r.offsets)
	again.want("half line", "new")
	write(t, filepath.Join(dir, "other.log"), "all of it\n")
	again.want("half line", "new", "all of it")
}

// What Kafka's FileStreamSource has read is not read again.
func TestTailTakesFileStreamOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in.txt")
	write(t, path, "one\ntwo\n")
	c := settings(t, "file", path, "topic", "rows", "batch.size", "2000", "poll.interval.ms", "10")
	env := envOf("org.apache.kafka.connect.file.FileStreamSourceConnector")
	r := startAs(t, c, map[string][]byte{`{"filename":"` + path + `"}`: []byte(`{"position":4}`)}, env)
	r.want("two")
	extend(t, path, "three\n")
	r.want("two", "three")
}

// Without inotify the listings find everything.
func TestTailByPolling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	r := start(t, settings(t, tailing(filepath.Dir(path), "watch", "false")...), nil)
	r.want("one")
	extend(t, path, "two\n")
	r.want("one", "two")
}

// With inotify a line does not wait for the next listing.
func TestTailByNotice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.log")
	write(t, path, "one\n")
	r := start(t, settings(t, "input.path", dir, "topic", "rows", "mode", "tail", "poll.interval.ms", "3600000"), nil)
	r.want("one")
	extend(t, path, "two\n")
	r.want("one", "two")
	write(t, filepath.Join(dir, "new.log"), "three\n")
	r.want("one", "two", "three")
}

func TestMultiline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "E one\n  at a\n  at b\nE two\nE three\n  at c\n")
	c := settings(t, tailing(filepath.Dir(path), "format", "lines", "multiline.pattern", "^E ", "multiline.timeout.ms", "100")...)
	r := start(t, c, nil)
	r.until("two records", func() bool { return len(r.all) >= 2 })
	began := time.Now()
	r.until("the last one", func() bool { return len(r.all) >= 3 })
	if len(r.all) == 3 && time.Since(began) > 10*time.Second {
		t.Error("the last record waited for longer than multiline.timeout.ms")
	}
	r.want("E one\n  at a\n  at b", "E two", "E three\n  at c")
	if r.all[1].headers["file.line"] != "4" || r.all[1].headers["file.offset"] != "20" {
		t.Errorf("second record has the headers %v, want line 4 and offset 20", r.all[1].headers)
	}
	extend(t, path, "E four\n")
	r.want("E one\n  at a\n  at b", "E two", "E three\n  at c", "E four")
}

func TestMultilineContinue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n\tmore\ntwo\nthree\n\tmore\n\tand more\n")
	c := settings(t, fast(filepath.Dir(path), "format", "lines", "multiline.pattern", `^\s`, "multiline.match", "continue", "multiline.max.lines", "2")...)
	start(t, c, nil).want("one\n\tmore", "two", "three\n\tmore", "\tand more")
}
