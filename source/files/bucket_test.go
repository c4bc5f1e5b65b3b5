package files

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/connect"
	"connectd/internal/testenv"
)

// store3 is a bucket of a test on a real server.
type store3 struct {
	t      *testing.T
	server *testenv.S3
	name   string
	client *s3.Client
}

func newStore3(t *testing.T) *store3 {
	t.Helper()
	server, name := testenv.Bucket(t)
	return &store3{t, server, name, server.Client()}
}

// settings are those of a source that reads s3://bucket/in.
func (s *store3) settings(more ...string) *Config {
	s.t.Helper()
	return settings(s.t, append([]string{
		"input.path", "s3://" + s.name + "/in", "topic", "rows", "poll.interval.ms", "20",
		"store.url", s.server.Endpoint, "s3.region", s.server.Region, "aws.access.key.id", s.server.AccessKey, "aws.secret.access.key", s.server.SecretKey,
	}, more...)...)
}

func (s *store3) put(key, text string) {
	s.t.Helper()
	_, err := s.client.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &s.name, Key: &key, Body: strings.NewReader(text),
		ContentType: aws.String("text/x-rows"), Metadata: map[string]string{"made-by": "test"}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// keys are all keys of the bucket.
func (s *store3) keys() (keys []string) {
	s.t.Helper()
	list, err := s.client.ListObjectsV2(s.t.Context(), &s3.ListObjectsV2Input{Bucket: &s.name})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range list.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

func (s *store3) text(key string) string {
	s.t.Helper()
	o, err := s.client.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &s.name, Key: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	defer o.Body.Close()
	text, err := io.ReadAll(o.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// All formats are read from a bucket as from a folder, in the order of their keys, and once.
func TestBucket(t *testing.T) {
	s := newStore3(t)
	s.put("in/a.jsonl", "{\"n\":1}\n{\"n\":2}\n")
	s.put("in/b.jsonl.gz", packed(t, "{\"n\":3}\n"))
	s.put("in/c d+ü.csv", "n\n4\n") // a key that has to be escaped
	s.put("in/d.avro", avroFile(t, nil, 1000, 1))
	s.put("in/e.parquet", parquetFile(t, parquetOrder{ID: 6, Name: "six"}))
	s.put("in/empty.jsonl", "")
	s.put("in/half.tmp", "no")
	s.put("in/below/f.jsonl", "no")
	s.put("inside.jsonl", "no")
	c := s.settings("parallel.files", "1")
	r := start(t, c, nil)
	r.until("all records", func() bool { return len(r.all) >= 6 })
	r.rest()
	r.stop()
	for i, want := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":"4"}`, `{"id":0,`, `{"id":6,"name":"six",`} {
		if !strings.HasPrefix(r.all[i].value, want) || r.all[i].err != nil {
			t.Errorf("record %d is %s (%v), want %s", i, r.all[i].value, r.all[i].err, want)
		}
	}
	if h := r.all[1].headers; len(r.all) != 6 || h["file.path"] != "s3://"+s.name+"/in/a.jsonl" || h["file.name"] != "a.jsonl" || h["file.offset"] != "8" || h["file.line"] != "2" {
		t.Errorf("%d records, headers %v", len(r.all), h)
	}

	// After a restart: nothing is read again, a new object is, and one that was overwritten is, whole.
	s.put("in/a.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":7}\n")
	s.put("in/g.jsonl", "{\"n\":8}\n")
	start(t, c, r.offsets).want(`{"n":1}`, `{"n":2}`, `{"n":7}`, `{"n":8}`)
}

// An object that is overwritten while the source runs is another one.
func TestBucketOverwritten(t *testing.T) {
	s := newStore3(t)
	s.put("in/a.jsonl", "1\n")
	r := start(t, s.settings(), nil)
	r.want("1")
	s.put("in/a.jsonl", "2\n")
	r.want("1", "2")
	s.put("in/a.jsonl", "2\n") // the same again: nobody can tell
	r.want("1", "2")
}

// Folders below the prefix, globs and what must not be read.
func TestBucketSelection(t *testing.T) {
	s := newStore3(t)
	for _, key := range []string{"in/2026/a.log", "in/2026/11/b.log", "in/2026/11/c.txt", "in/.hidden/d.log", "in/old/e.log", "in/done/f.log"} {
		s.put(key, key+"\n")
	}
	r := start(t, s.settings("include", "**/*.log", "exclude", "old/**", "finished.path", "s3://"+s.name+"/in/done"), nil)
	r.wantAny("in/2026/a.log", "in/2026/11/b.log")
	r.stop()
	start(t, s.settings("input.file.pattern", `.*\.txt`, "input.path.walk.recursively", "true"), nil).want("in/2026/11/c.txt")
	c := s.settings("input.path", "", "s3.bucket.name", s.name, "aws.s3.bucket.prefix", "in/2026/")
	start(t, c, nil).want("in/2026/a.log")
}

// An object is deleted or moved only after its records are durable; what is there stays.
func TestBucketCleanup(t *testing.T) {
	for policy, want := range map[string][]string{
		"delete": {"done/a.log"},
		"move":   {"done/a.log", "done/a.log.*"},
	} {
		t.Run(policy, func(t *testing.T) {
			s := newStore3(t)
			s.put("done/a.log", "there before\n")
			s.put("in/a.log", "one\n")
			c := s.settings("cleanup.policy", policy, "finished.path", "s3://"+s.name+"/done")
			r := start(t, c, nil)
			r.manual = true
			r.until("the record", func() bool { return len(r.all) == 1 })
			r.rest()
			if got := s.keys(); !slices.Contains(got, "in/a.log") {
				t.Fatalf("keys %q before the acknowledgement", got)
			}
			r.manual = false
			for _, b := range r.sent {
				r.retire(b)
			}
			r.until("it is gone", func() bool { return !slices.Contains(s.keys(), "in/a.log") })
			got := s.keys()
			if len(got) != len(want) || s.text("done/a.log") != "there before\n" {
				t.Fatalf("keys %q, want %q", got, want)
			}
			if policy == "move" {
				head, err := s.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &s.name, Key: &got[1]})
				if err != nil || s.text(got[1]) != "one\n" || aws.ToString(head.ContentType) != "text/x-rows" || head.Metadata["made-by"] != "test" {
					t.Errorf("moved to %q: %v, %+v", got[1], err, head)
				}
			}
			r.until("its state is forgotten", func() bool { return len(r.offsets) == 0 })
		})
	}
}

// A move that ended between copy and delete is finished, and not done a second time.
func TestBucketMoveAgain(t *testing.T) {
	s := newStore3(t)
	text := strings.Repeat("x", 11<<20)
	s.put("in/a.log", text)
	made, err := newStore(s.settings("cleanup.policy", "move", "finished.path", "s3://"+s.name+"/done"))
	if err != nil {
		t.Fatal(err)
	}
	b := made.(*bucket)
	b.part = 5 << 20 // the copy is made in parts, as of objects above 5 GiB
	e, err := b.stat("s3://" + s.name + "/in/a.log")
	if err != nil {
		t.Fatal(err)
	}
	head, err := b.head(e.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.copy(e, head, "s3://"+s.name+"/done/a.log", "7"); err != nil {
		t.Fatal(err)
	}
	if err := b.move(e, "s3://"+s.name+"/done", false, "7"); err != nil {
		t.Fatal(err)
	}
	if got := s.keys(); !slices.Equal(got, []string{"done/a.log"}) || s.text("done/a.log") != text {
		t.Errorf("keys %q", got)
	}
}

// Connections that break in the middle are opened again where they broke, in every format.
func TestBucketBrokenConnections(t *testing.T) {
	s := newStore3(t)
	var text strings.Builder
	var want []string
	for i := range 20000 {
		want = append(want, fmt.Sprintf("line %d of an object that comes in pieces %d", i, rand.Uint64()))
		text.WriteString(want[i] + "\n")
	}
	s.put("in/a.log", text.String())
	s.put("in/b.log.gz", packed(t, text.String()))
	proxy := cutting(t, strings.TrimPrefix(s.server.Endpoint, "http://"), 100<<10)
	r := start(t, s.settings("store.url", "http://"+proxy.addr, "parallel.files", "1"), nil)
	r.wantAny(append(append([]string{}, want...), want...)...)
	if n := proxy.count(); n < 10 {
		t.Errorf("%d connections were cut, want the test to cut more", n)
	}
}

// cutter is a proxy that closes each connection after so many bytes of answers.
type cutter struct {
	addr string
	mu   sync.Mutex
	cuts int
}

func (c *cutter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts
}

func cutting(t *testing.T, to string, after int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: l.Addr().String()}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	running.Go(func() { // ends with the listener
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			running.Go(func() { // ends when either side closes
				_, _ = io.Copy(out, in)
				_ = out.Close()
			})
			running.Go(func() {
				if _, err := io.CopyN(in, out, after); err == nil {
					c.mu.Lock()
					c.cuts++
					c.mu.Unlock()
				}
				_, _ = in.Close(), out.Close()
			})
		}
	})
	return c
}

// A store that can not be reached is asked again by a restart of the task, and is no reason to
// give a file up.
func TestBucketUnreachable(t *testing.T) {
	s := newStore3(t)
	s.put("in/a.log", "one\n")
	err := start(t, s.settings("store.url", "http://127.0.0.1:1", "halt.on.error", "false", "s3.part.retries", "1"), nil).fails()
	if connect.IsPermanent(err) || !strings.Contains(err.Error(), "http://127.0.0.1:1") || !strings.Contains(err.Error(), "check store.url") {
		t.Errorf("got %v", err)
	}
}

// What the store refuses is one sentence with what to do.
func TestBucketRefused(t *testing.T) {
	s := newStore3(t)
	for name, test := range map[string]struct {
		pairs []string
		want  string
	}{
		"no bucket":  {[]string{"input.path", "s3://nowhere-to-be-found/in"}, "the bucket does not exist; create it, or correct input.path"},
		"wrong key":  {[]string{"aws.access.key.id", "nobody"}, "check aws.access.key.id"},
		"move there": {[]string{"cleanup.policy", "move", "finished.path", "s3://nowhere-to-be-found/done"}, "the bucket does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := New(s.settings(test.pairs...), connect.Env{Connector: "files", Class: "files-source", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			err = source.(*Source).Check(context.Background())
			if err == nil || !strings.Contains(err.Error(), test.want) || !connect.IsPermanent(err) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Positions within an object survive a restart, also in compressed ones.
func TestBucketRestart(t *testing.T) {
	s := newStore3(t)
	var text bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(&text, "{\"id\":%d}\n", i)
	}
	for _, name := range []string{"a.jsonl", "a.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			s.put("in/"+name, text.String())
			if strings.HasSuffix(name, ".gz") {
				s.put("in/"+name, packed(t, text.String()))
			}
			restartAnywhere(t, s.settings("include", name, "batch.size", "19", "key.fields", "id"), 100)
		})
	}
}

// Reading an object ends when the source is stopped, also while the store does not answer.
func TestBucketStops(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &store3{t: t, server: &testenv.S3{Endpoint: "http://" + l.Addr().String(), Region: "us-east-1", AccessKey: "a", SecretKey: "b"}, name: "b"}
	r := start(t, s.settings(), nil)
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	r.stop()
}
