package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectd/connect"
)

// Two files with the same first line, an empty file, a tiny file that grows: none is taken for
// another one, before and after a restart.
func TestDistinctFiles(t *testing.T) {
	for _, mode := range []string{"complete", "tail"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			c := settings(t, fast(dir, "mode", mode, "format", "csv", "parallel.files", "1")...)
			a, b, empty, tiny := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c"), filepath.Join(dir, "d")
			write(t, a, "id\n1\n")
			write(t, b, "id\n1\n")
			write(t, empty, "")
			write(t, tiny, "id\n")
			r := start(t, c, nil)
			r.want(`{"id":"1"}`, `{"id":"1"}`)
			r.stop()
			extend(t, a, "2\n")
			extend(t, b, "3\n")
			extend(t, empty, "id\n1\n")
			extend(t, tiny, "1\n")
			again := start(t, c, r.offsets)
			again.want(`{"id":"2"}`, `{"id":"3"}`, `{"id":"1"}`, `{"id":"1"}`)
		})
	}
}

// An inode is used again for another file with another content, or for one that begins alike.
func TestInodeReuse(t *testing.T) {
	for _, mode := range []string{"complete", "tail"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			c := settings(t, fast(dir, "mode", mode)...)
			write(t, filepath.Join(dir, "a"), "one\n")
			r := start(t, c, nil)
			r.want("one")
			r.until("its state is stored", func() bool { return len(r.offsets) == 1 })
			r.stop()
			var st state
			for _, o := range r.offsets {
				var err error
				if st, err = parseState(o); err != nil {
					t.Fatal(err)
				}
			}
			// The stored state is made one of the file that is there now, which the kernel would
			// do by giving it the inode.
			for name, text := range map[string]string{"b": "two\n", "c": "one\nmore\n"} {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, name), text)
				info, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				e := entryOf(name, info)
				st.Dev, st.Inode = e.dev, e.inode
				reused := map[string][]byte{}
				for p := range r.offsets {
					reused[p] = st.append(nil)
				}
				again := start(t, c, reused)
				switch {
				case name == "c" && mode == "tail":
					// Renamed and grown is what this is most likely.
					again.want("more")
				default:
					again.want(strings.Split(strings.TrimSpace(text), "\n")...)
				}
				again.stop()
			}
		})
	}
}

// Kubernetes mounts a folder of links to ..data/<name>, and ..data is a link that is replaced.
func TestSymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, fast(dir)...)
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	swap := func(version string) {
		t.Helper()
		link(version, filepath.Join(dir, "..data_tmp"))
		move(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	}
	write(t, filepath.Join(dir, "..v1", "a.txt"), "one\n")
	write(t, filepath.Join(dir, "..v1", "same.txt"), "same\n")
	link(filepath.Join("..data", "a.txt"), filepath.Join(dir, "a.txt"))
	link(filepath.Join("..data", "same.txt"), filepath.Join(dir, "same.txt"))
	swap("..v1")
	r := start(t, c, nil)
	r.wantAny("one", "same")
	write(t, filepath.Join(dir, "..v2", "a.txt"), "two\n")
	write(t, filepath.Join(dir, "..v2", "same.txt"), "same\n")
	swap("..v2")
	if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
		t.Fatal(err)
	}
	r.wantAny("one", "same", "two")
}

// A log behind a link that is moved on to the next file.
func TestSymlinkSwapTail(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	current := filepath.Join(dir, "current.log")
	write(t, filepath.Join(logs, "1"), "a1\n")
	if err := os.Symlink(filepath.Join(logs, "1"), current); err != nil {
		t.Fatal(err)
	}
	r := start(t, settings(t, tailing(dir)...), nil)
	r.want("a1")
	extend(t, filepath.Join(logs, "1"), "a2\n")
	r.want("a1", "a2")
	write(t, filepath.Join(logs, "2"), "b1\n")
	if err := os.Symlink(filepath.Join(logs, "2"), current+".new"); err != nil {
		t.Fatal(err)
	}
	move(t, current+".new", current)
	r.want("a1", "a2", "b1")
}

// Two links to one file are one file.
func TestHardLink(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "one\n")
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	start(t, settings(t, fast(dir)...), nil).want("one")
}

func TestSelection(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.csv", "b.csv", "b.csv.bak", "deep/c.csv", "deep/deeper/d.csv", "other/e.csv", "we[i]rd/f.csv"} {
		write(t, filepath.Join(dir, name), name+"\n")
	}
	for name, test := range map[string]struct{ settings, want []string }{
		"folder":         {nil, []string{"a.csv", "b.csv", "b.csv.bak"}},
		"glob":           {[]string{"include", "*.csv"}, []string{"a.csv", "b.csv"}},
		"globs":          {[]string{"include", "a*, deep/*.csv"}, []string{"a.csv", "deep/c.csv"}},
		"any depth":      {[]string{"include", "**/*.csv", "exclude", "other/**, b*"}, []string{"a.csv", "deep/c.csv", "deep/deeper/d.csv", "we[i]rd/f.csv"}},
		"recursive":      {[]string{"input.path.walk.recursively", "true", "exclude", "**/deeper, **/we*"}, []string{"a.csv", "b.csv", "b.csv.bak", "deep/c.csv", "other/e.csv"}},
		"pattern":        {[]string{"input.file.pattern", `^[ab]\.csv`}, []string{"a.csv", "b.csv"}},
		"pattern, whole": {[]string{"input.file.pattern", `b|b\.csv`}, []string{"b.csv"}},
		"recursive glob": {[]string{"input.path.walk.recursively", "true", "include", "[c-e].csv"}, []string{"deep/c.csv", "deep/deeper/d.csv", "other/e.csv"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := settings(t, fast(dir, append(test.settings, "format", "lines")...)...)
			start(t, c, nil).wantAny(test.want...)
		})
	}
	t.Run("folder with the characters of a glob", func(t *testing.T) {
		start(t, settings(t, fast(filepath.Join(dir, "we[i]rd"), "format", "lines")...), nil).want("we[i]rd/f.csv")
	})
}

// A file waits for a reader and is not open yet; meanwhile it is compressed and removed, and the
// next file gets its inode.
func TestInodeReuseWhileQueued(t *testing.T) {
	dir := t.TempDir()
	s, err := New(settings(t, fast(dir, "mode", "tail")...), connect.Env{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log.2")
	write(t, path, "another one\n")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	e := entryOf(path, info)
	text := []byte("one\n")
	f := &file{seen: e, state: state{Path: filepath.Join(dir, "log.1"), Dev: e.dev, Inode: e.inode, Size: 4, Offset: 4, Head: sumOf(text), Tail: sumOf(text)}}
	f.seen.path, f.seen.size, f.last = f.state.Path, 4, f.state
	r := &run{Source: s.(*Source)}
	r.enqueue(f, ask{})
	if r.still(f, e) {
		t.Error("a file with another content, name and size is taken for the one that waits")
	}
}
