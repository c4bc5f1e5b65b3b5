package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/worker"
	"connectd/convert"
	"connectd/kafka"
)

// The crash tests run a connector in a child process, which is this test binary started again,
// and kill it with SIGKILL at random moments. The broker and the files outlive it.

const (
	childSettings = "FILES_TEST_CHILD" // JSON of the connector's settings
	childBroker   = "FILES_TEST_BROKER"
)

func TestMain(m *testing.M) {
	leastRange = 1000
	if text := os.Getenv(childSettings); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m, idle...)
}

// child runs one connector until SIGTERM.
func child(text string) error {
	var all map[string]string
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return err
	}
	plugins := connect.Plugins{
		Sources: []connect.Plugin{connect.SourcePlugin("files-source", New)},
		Converters: []connect.Plugin{
			connect.ConverterPlugin("json", convert.NewJSON),
			connect.ConverterPlugin("string", convert.NewString),
			connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
		},
	}
	var s connector.WorkerSettings
	s.Defaults()
	written, _ := config.NewConnector("files", all)
	c, problems := connector.Load(written, &s, plugins)
	if err := problems.Err(); err != nil {
		return err
	}
	w := worker.New(&s, kafkaAt(os.Getenv(childBroker)), slog.New(slog.NewTextHandler(os.Stderr, nil)))
	w.Add(c)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return w.Run(ctx)
}

func kafkaAt(broker string) kafka.Settings {
	var k kafka.Settings
	k.Defaults()
	k.Brokers = []string{broker}
	k.FetchWait = 50 * time.Millisecond
	return k
}

// crashing is a connector that is killed and started again.
type crashing struct {
	t      *testing.T
	env    []string
	broker string
	output bytes.Buffer
	seen   map[string]int // lines that arrived
	group  *kafka.Group
}

func newCrashing(t *testing.T, all map[string]string) *crashing {
	t.Helper()
	broker, err := kafka.StartEmbedded(t.TempDir(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	admin, err := kafka.NewAdmin(kafkaAt(broker.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.EnsureTopic(t.Context(), "rows", kafka.TopicSpec{Partitions: 1, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"name": "files", "connector.class": "files-source", "topic": "rows", "poll.interval.ms": "20", "file.stable.ms": "20",
		"key.converter": "string", "value.converter": "string", "restart.backoff.ms": "10", "batch.size": "7", "format": "lines",
	} {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	c := &crashing{t: t, broker: broker.Addr, seen: map[string]int{}, env: append(os.Environ(), childSettings+"="+string(text), childBroker+"="+broker.Addr)}
	c.group, err = kafka.NewGroup(kafkaAt(broker.Addr), kafka.GroupOptions{ID: "test", Topics: []string{"rows"}, Reset: "earliest", ReadCommitted: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.group.Close(context.Background())
		if t.Failed() {
			c.explain(all["input.path"])
			t.Logf("the children's output ends with:\n%s", c.output.Bytes()[max(0, c.output.Len()-4000):])
		}
	})
	return c
}

// explain logs what is stored and what is there, which is what one wants to know of a lost line.
func (c *crashing) explain(dir string) {
	store, err := kafka.OpenStore(context.Background(), kafkaAt(c.broker), "connect-offsets", slog.New(slog.DiscardHandler))
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

// live runs the connector for so long and kills it.
func (c *crashing) live(d time.Duration, work func(done <-chan struct{})) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, &c.output, &c.output
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	timer := time.AfterFunc(d, func() {
		_ = cmd.Process.Kill()
		close(done)
	})
	defer timer.Stop()
	work(done)
	<-done
	_ = cmd.Wait() // killed
}

// drain runs the connector until all lines have arrived.
func (c *crashing) drain(want map[string]bool) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, &c.output, &c.output
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
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
	_ = cmd.Process.Signal(syscall.SIGTERM)
	// One that had nothing to do may be told to stop before it listens to signals.
	if err := cmd.Wait(); err != nil && !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		c.t.Errorf("the last child ended with %v", err)
	}
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
				c.live(time.Duration(100+rand.IntN(500))*time.Millisecond, func(done <-chan struct{}) {
					for {
						select {
						case <-done:
							return
						case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
							step()
						}
					}
				})
				step()
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
				c.live(time.Duration(100+rand.IntN(500))*time.Millisecond, func(done <-chan struct{}) {
					for {
						select {
						case <-done:
							return
						case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
							step()
						}
					}
				})
				step()
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
