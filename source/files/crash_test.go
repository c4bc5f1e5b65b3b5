package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/connect"
	"connectd/connect/connector/connectortest"
	"connectd/connect/worker"
	"connectd/kafka"
)

// plugins are what a connector of these tests is made of.
var plugins = connect.Plugins{
	Sources:    []connect.Plugin{connect.SourcePlugin("files-source", New, "FileStreamSource")},
	Converters: connectortest.Converters,
}

func TestMain(m *testing.M) {
	leastRange = 1000
	connectortest.Main(plugins, worker.New)
	goleak.VerifyTestMain(m, idle...)
}

// crashing is a connector that is killed and started again.
type crashing struct {
	t        *testing.T
	kafka    kafka.Settings
	settings map[string]string
	seen     map[string]int // lines that arrived
	group    *kafka.Group
}

func newCrashing(t *testing.T, all map[string]string) *crashing {
	t.Helper()
	c := &crashing{t: t, kafka: connectortest.Broker(t), settings: all, seen: map[string]int{}}
	connectortest.Topic(t, c.kafka, "rows", 1)
	for key, value := range map[string]string{
		"name": "files", "connector.class": "files-source", "topic": "rows", "poll.interval.ms": "20", "file.stable.ms": "20",
		"key.converter": "string", "value.converter": "string", "restart.backoff.ms": "10", "batch.size": "7", "format": "lines",
	} {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
	var err error
	c.group, err = kafka.NewGroup(c.kafka, kafka.GroupOptions{ID: "test", Topics: []string{"rows"}, Reset: "earliest", ReadCommitted: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.group.Close(context.Background())
		if t.Failed() {
			c.explain(all["input.path"])
		}
	})
	return c
}

// explain logs what is stored and what is there, which is what one wants to know of a lost line.
func (c *crashing) explain(dir string) {
	store, err := kafka.OpenStore(context.Background(), c.kafka, "connect-offsets", slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Log(err)
		return
	}
	defer store.Close()
	for key, value := range store.All() {
		c.t.Logf("%s %s", key, value)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		c.t.Log(err)
	}
	for _, d := range list {
		path := filepath.Join(dir, d.Name())
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		e := entryOf(path, info)
		text, _ := os.ReadFile(path)
		if z, err := gzip.NewReader(bytes.NewReader(text)); err == nil {
			text, _ = io.ReadAll(z)
		}
		c.t.Logf("%s inode %d size %d, %d bytes: %.50q…", d.Name(), e.inode, e.size, len(text), text)
	}
}

// live runs the connector for a while, in which step is taken again and again, and kills it.
func (c *crashing) live(step func()) {
	c.t.Helper()
	p := connectortest.Start(c.t, c.kafka, c.settings, "")
	defer time.AfterFunc(time.Duration(100+rand.IntN(500))*time.Millisecond, p.Kill).Stop()
	for {
		select {
		case <-p.Ended():
			step()
			return
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
			step()
		}
	}
}

// drain runs the connector until all lines have arrived.
func (c *crashing) drain(want map[string]bool) {
	c.t.Helper()
	p := connectortest.Start(c.t, c.kafka, c.settings, "")
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	left := len(want)
	for left > 0 && ctx.Err() == nil {
		fetches, err := c.group.Poll(ctx)
		if err != nil {
			break
		}
		for _, f := range fetches {
			for _, m := range f.Messages {
				if c.seen[string(m.Value)]++; c.seen[string(m.Value)] == 1 && want[string(m.Value)] {
					left--
				}
			}
		}
	}
	p.Stop()
	for line := range want {
		if c.seen[line] == 0 {
			c.t.Errorf("%q is lost", line)
		}
	}
	for line := range c.seen {
		if !want[line] {
			c.t.Errorf("%q was never written", line)
		}
	}
}

// TestCrashTail rotates a log by rename and packs what was rotated while the reader is killed.
// fingerprint.bytes is less than a line: a file of which less was read than that, and which has
// another inode then, is read again.
func TestCrashTail(t *testing.T) {
	for _, once := range []string{"requested", "required"} {
		t.Run(once, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := newCrashing(t, map[string]string{"input.path": dir, "include": "app.log*", "mode": "tail", "fingerprint.bytes": "32", "exactly.once.support": once})
			want := map[string]bool{}
			n, rotations := 0, 0
			current := filepath.Join(dir, "app.log")
			step := func() {
				text := ""
				for range rand.IntN(20) {
					n++
					line := fmt.Sprintf("line %06d of a log that is rotated", n)
					want[line] = true
					text += line + "\n"
				}
				cut := rand.IntN(len(text) + 1)
				extend(t, current, text[:cut])
				extend(t, current, text[cut:])
				if rand.IntN(4) == 0 {
					rotations++
					move(t, current, fmt.Sprintf("%s.%d", current, rotations))
				}
				if old := fmt.Sprintf("%s.%d", current, rotations-1); rand.IntN(4) == 0 && exists(old) {
					packFile(t, old)
				}
			}
			for range 12 {
				c.live(step)
			}
			c.drain(want)
			c.doubled(once)
		})
	}
}

// doubled fails the test when a line came twice although transactions were required.
func (c *crashing) doubled(once string) {
	c.t.Helper()
	twice := 0
	for line, n := range c.seen {
		if n > 1 {
			if twice++; once == "required" {
				c.t.Errorf("%q came %d times", line, n)
			}
		}
	}
	c.t.Logf("%d lines, %d of them more than once", len(c.seen), twice)
}

// packFile replaces a rotated file by its gzip, as logrotate does.
func packFile(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(path), ".packing")
	write(t, hidden, packed(t, string(text)))
	move(t, hidden, path+".gz")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestCrashComplete drops files that are moved when they are read, while the reader is killed.
func TestCrashComplete(t *testing.T) {
	for _, once := range []string{"requested", "required"} {
		t.Run(once, func(t *testing.T) {
			t.Parallel()
			dir, finished := t.TempDir(), t.TempDir()
			c := newCrashing(t, map[string]string{"input.path": dir, "cleanup.policy": "MOVE", "finished.path": finished, "exactly.once.support": once})
			want := map[string]bool{}
			files := 0
			step := func() {
				files++
				text := ""
				for i := range rand.IntN(60) {
					line := fmt.Sprintf("file %d line %d", files, i)
					want[line] = true
					text += line + "\n"
				}
				hidden := filepath.Join(dir, ".new")
				write(t, hidden, text)
				move(t, hidden, filepath.Join(dir, fmt.Sprintf("%04d.txt", files)))
			}
			for range 12 {
				c.live(step)
			}
			c.drain(want)
			c.doubled(once)
			left, err := filepath.Glob(filepath.Join(dir, "*.txt"))
			if err != nil {
				t.Fatal(err)
			}
			moved, err := filepath.Glob(filepath.Join(finished, "*.txt"))
			if err != nil || len(left)+len(moved) != files {
				t.Errorf("%d files are left and %d moved of %d, %v", len(left), len(moved), files, err)
			}
		})
	}
}
