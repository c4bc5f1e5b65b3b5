package files

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"connectd/connect"
)

func envOf(class string) connect.Env {
	return connect.Env{Connector: "files", Class: class, Log: slog.New(slog.DiscardHandler)}
}

// The last line needs no line end: the file is complete.
func TestCompleteLastLine(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "one\ntwo")
	r := start(t, settings(t, fast(dir)...), nil)
	r.want("one", "two")
	for i, want := range []string{"0", "4"} {
		if got := r.all[i].headers["file.offset"]; got != want {
			t.Errorf("record %d has file.offset %s, want %s", i, got, want)
		}
	}
	h := r.all[1].headers
	if h["file.name"] != "a.txt" || h["file.path"] != filepath.Join(dir, "a.txt") || h["file.line"] != "2" {
		t.Errorf("headers %v", h)
	}
}

// A file that is left is not read again, after a restart neither, when it is renamed or touched
// neither.
func TestCompleteOnce(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, fast(dir)...)
	write(t, filepath.Join(dir, "a.txt"), "one\n")
	write(t, filepath.Join(dir, "empty.txt"), "")
	r := start(t, c, nil)
	r.want("one")
	r.until("both are done", func() bool { return len(r.offsets) == 2 })
	r.stop()
	again := start(t, c, r.offsets)
	again.rest()
	move(t, filepath.Join(dir, "a.txt"), filepath.Join(dir, "b.txt"))
	again.rest()
	now := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "b.txt"), now, now); err != nil {
		t.Fatal(err)
	}
	again.rest()
	write(t, filepath.Join(dir, "c.txt"), "two\n")
	again.want("two")
}

// A file that was done and grows is read on.
func TestCompleteGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	write(t, path, "one\n")
	r := start(t, settings(t, fast(filepath.Dir(path))...), nil)
	r.want("one")
	r.until("it is done", func() bool { return strings.Contains(r.state(), `"done":true`) })
	extend(t, path, "two\n")
	r.want("one", "two")
}

// state is all that is stored.
func (r *reading) state() string {
	var all string
	for p, o := range r.offsets {
		all += p + " " + string(o) + "\n"
	}
	return all
}

func TestCompleteNotReady(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".hidden", "a.tmp", "b.part", "c~"} {
		write(t, filepath.Join(dir, name), "not yet\n")
	}
	write(t, filepath.Join(dir, "young.txt"), "young\n")
	old := filepath.Join(dir, "old.txt")
	write(t, old, "old\n")
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	r := start(t, settings(t, fast(dir, "file.minimum.age.ms", "3600000")...), nil)
	r.want("old")
	move(t, filepath.Join(dir, "a.tmp"), filepath.Join(dir, "a.txt"))
	if err := os.Chtimes(filepath.Join(dir, "a.txt"), past, past); err != nil {
		t.Fatal(err)
	}
	r.want("old", "not yet")
}

// A file that is still being written is left alone until its size stays the same.
func TestCompleteStable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	write(t, path, "id,name\n1,on")
	r := start(t, settings(t, fast(filepath.Dir(path), "file.stable.ms", "150")...), nil)
	for _, text := range []string{"e\n", "2,tw", "o\n", "3,thr", "ee"} {
		extend(t, path, text)
		r.rest()
	}
	r.want(`{"id":"1","name":"one"}`, `{"id":"2","name":"two"}`, `{"id":"3","name":"three"}`)
}

func TestCompleteMarker(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	write(t, path, "one\n")
	r := start(t, settings(t, fast(dir, "file.marker.suffix", ".done", "cleanup.policy", "DELETE")...), nil)
	r.rest()
	if len(r.all) > 0 {
		t.Fatalf("read %q before its marker was there", r.values())
	}
	write(t, path+".done", "")
	r.want("one")
	r.until("file and marker are gone", func() bool { return !exists(path) && !exists(path+".done") })
}

// A file is moved only when its records and its position are durable.
func TestCleanupAfterAcknowledgement(t *testing.T) {
	dir, finished := t.TempDir(), filepath.Join(t.TempDir(), "finished")
	path := filepath.Join(dir, "sub", "a.txt")
	write(t, path, "one\ntwo\n")
	c := settings(t, fast(dir, "input.path.walk.recursively", "true", "cleanup.policy", "MOVE", "finished.path", finished, "cleanup.policy.maintain.relative.path", "true")...)
	r := start(t, c, nil)
	r.manual = true
	r.until("it is done", func() bool {
		return len(r.sent) > 0 && strings.Contains(string(r.sent[len(r.sent)-1].Offsets[0].Offset), `"done":true`)
	})
	r.rest()
	if !exists(path) {
		t.Fatal("moved before anything was durable")
	}
	r.manual = false
	for _, b := range r.sent[:len(r.sent)-1] {
		r.retire(b)
	}
	r.rest()
	if !exists(path) {
		t.Fatal("moved before its position was durable")
	}
	r.retire(r.sent[len(r.sent)-1])
	r.until("it is moved", func() bool { return !exists(path) && exists(filepath.Join(finished, "sub", "a.txt")) })
	r.until("it is forgotten", func() bool { return len(r.offsets) == 0 })
}

// Killed between the durable position and the move, the next start moves; killed between the
// move and forgetting, the next start forgets.
func TestCleanupAfterRestart(t *testing.T) {
	dir, finished := t.TempDir(), filepath.Join(t.TempDir(), "finished")
	path := filepath.Join(dir, "a.txt")
	write(t, path, "one\n")
	none := settings(t, fast(dir)...)
	moves := settings(t, fast(dir, "cleanup.policy", "MOVEBYDATE", "finished.path", finished)...)
	r := start(t, none, nil)
	r.want("one")
	r.until("it is done", func() bool { return strings.Contains(r.state(), `"done":true`) })
	r.stop()

	second := start(t, moves, r.offsets)
	second.until("it is moved", func() bool { return !exists(path) })
	second.stop()
	if list, err := filepath.Glob(filepath.Join(finished, "20*", "a.txt")); err != nil || len(list) != 1 {
		t.Errorf("finished.path has %v, %v", list, err)
	}
	third := start(t, moves, r.offsets)
	third.until("it is forgotten", func() bool { return len(third.offsets) == 0 })
	third.want()
}

// A second file with the name of one that was moved does not replace it.
func TestCleanupSameName(t *testing.T) {
	dir, finished := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "a.txt")
	write(t, filepath.Join(finished, "a.txt"), "the first\n")
	write(t, path, "the second\n")
	r := start(t, settings(t, fast(dir, "cleanup.policy", "MOVE", "finished.path", finished)...), nil)
	r.want("the second")
	r.until("it is moved", func() bool { return !exists(path) })
	list, err := filepath.Glob(filepath.Join(finished, "*"))
	if err != nil || len(list) != 2 {
		t.Fatalf("finished.path has %v, %v", list, err)
	}
	if text, err := os.ReadFile(filepath.Join(finished, "a.txt")); err != nil || string(text) != "the first\n" {
		t.Errorf("the first file is %q, %v", text, err)
	}
}

// The same file comes again after it was moved: it is a new delivery.
func TestCleanupThenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	r := start(t, settings(t, fast(filepath.Dir(path), "cleanup.policy", "DELETE")...), nil)
	write(t, path, "same\n")
	r.want("same")
	r.until("it is deleted", func() bool { return !exists(path) })
	write(t, path, "same\n")
	r.want("same", "same")
}

// Something is added after the last record was read: it is not deleted unread.
func TestCleanupNotWhatWasAdded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	write(t, path, "one\n")
	r := start(t, settings(t, fast(filepath.Dir(path), "cleanup.policy", "DELETE")...), nil)
	r.manual = true
	r.until("it is done", func() bool {
		return len(r.sent) > 0 && strings.Contains(string(r.sent[len(r.sent)-1].Offsets[0].Offset), `"done":true`)
	})
	extend(t, path, "two\n")
	r.manual = false
	for _, b := range r.sent {
		r.retire(b)
	}
	r.want("one", "two")
	r.until("it is deleted", func() bool { return !exists(path) })
}

func TestErrorPath(t *testing.T) {
	dir, bad := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a.json"), `[{"id":1},{"id":2`)
	write(t, filepath.Join(dir, "b.gz"), packed(t, "one\ntwo\n")[:25])
	write(t, filepath.Join(dir, "c.txt"), "fine\n")
	r := start(t, settings(t, fast(dir, "halt.on.error", "false", "error.path", bad, "parallel.files", "1")...), nil)
	r.until("all are read", func() bool {
		return exists(filepath.Join(bad, "a.json")) && exists(filepath.Join(bad, "b.gz")) && len(r.values()) >= 2
	})
	if v := r.values(); v[0] != `{"id":1}` || v[len(v)-1] != "fine" {
		t.Errorf("got %q", v)
	}
}

func TestHaltOnError(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.json"), `{"id":1}{"id":`)
	err := start(t, settings(t, fast(dir)...), nil).fails()
	if !connect.IsPermanent(err) || !strings.Contains(err.Error(), "a.json") || !strings.Contains(err.Error(), "ends inside a JSON value") {
		t.Errorf("got %v", err)
	}
}

func TestOrder(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"b", "c", "a"} {
		path := filepath.Join(dir, name)
		write(t, path, strings.Repeat(name, 3-i)+"\n")
		at := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for by, want := range map[string][]string{
		"NameAsc": {"a", "bbb", "cc"}, "NameDesc": {"cc", "bbb", "a"},
		"LastModifiedAsc": {"bbb", "cc", "a"}, "LastModifiedDesc": {"a", "cc", "bbb"},
		"LengthAsc": {"a", "cc", "bbb"}, "LengthDesc": {"bbb", "cc", "a"},
	} {
		t.Run(by, func(t *testing.T) {
			start(t, settings(t, fast(dir, "files.sort.attributes", by, "parallel.files", "1")...), nil).want(want...)
		})
	}
}

func TestCompression(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.csv.gz"), packed(t, "n\n1\n2\n"))
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "b.csv"), string(z.EncodeAll([]byte("n\n3\n"), nil))) // no .zst: by content
	var s strings.Builder
	w := snappy.NewBufferedWriter(&s)
	if _, err := w.Write([]byte("n\n4\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "c.csv.sz"), s.String())
	c := settings(t, fast(dir, "parallel.files", "1", "batch.size", "1")...)
	r := start(t, c, nil)
	r.want(`{"n":"1"}`, `{"n":"2"}`, `{"n":"3"}`, `{"n":"4"}`)
}

// Files that are old when they are found are left alone; one that was read before is read on.
func TestIgnoreOlder(t *testing.T) {
	dir := t.TempDir()
	old, known := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, old, "one\n")
	write(t, known, "two\n")
	long := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	c := settings(t, fast(dir, "ignore.older.ms", "24h")...)
	r := start(t, c, nil)
	r.want("two")
	r.stop()
	extend(t, known, "three\n")
	if err := os.Chtimes(known, long, long); err != nil {
		t.Fatal(err)
	}
	start(t, c, r.offsets).want("three")
}

// TestFolderMissing makes sure that the error names the folder once and says what helps.
func TestFolderMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nowhere")
	store, err := newStore(settings(t, fast(dir)...))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = store.list(t.Context())
	if want := fmt.Sprintf("list the folder %q: no such file or directory; create it, or correct input.path", dir); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
