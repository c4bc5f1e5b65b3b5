package kafka

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"connectd/record"
)

// brokerDir in the environment makes this test binary a broker, to be killed.
const brokerDir = "CONNECTD_TEST_BROKER_DIR"

func runBroker() bool {
	dir := os.Getenv(brokerDir)
	if dir == "" {
		return false
	}
	e, err := StartEmbedded(dir, "", log())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(e.Addr)
	select {}
}

func startEmbedded(t *testing.T, dir string) *Embedded {
	t.Helper()
	e, err := StartEmbedded(dir, "", log())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestEmbeddedRestart: address, cluster id, topic ids, records and committed offsets stay.
func TestEmbeddedRestart(t *testing.T) {
	dir := t.TempDir()
	type state struct {
		addr, cluster, topic string
		records              int
		offsets              []Commit
	}
	look := func(e *Embedded) state {
		s := settingsOf(e.Addr)
		a := testAdmin(t, s)
		st := state{addr: e.Addr}
		var err error
		if st.cluster, err = a.ClusterID(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st.topic, err = a.TopicID(t.Context(), "t"); err != nil {
			t.Fatal(err)
		}
		if st.offsets, err = a.GroupOffsets(t.Context(), "g"); err != nil {
			t.Fatal(err)
		}
		st.records = len(readAll(t, s, "t")[0])
		return st
	}
	e := startEmbedded(t, dir)
	s := settingsOf(e.Addr)
	a := testAdmin(t, s)
	if err := a.EnsureTopic(t.Context(), "t", TopicSpec{}); err != nil {
		t.Fatal(err)
	}
	produce(t, s, numbered("t", 0, 0, 10)...)
	if err := a.SetGroupOffsets(t.Context(), "g", []Commit{{record.Partition{Topic: "t"}, 7, "m"}}); err != nil {
		t.Fatal(err)
	}
	before := look(e)
	e.Close()
	e = startEmbedded(t, dir)
	defer e.Close()
	if after := look(e); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("after a restart: got %+v, want %+v", after, before)
	}
	if before.records != 10 || fmt.Sprint(before.offsets) != "[{t-0 7 m}]" {
		t.Errorf("got %+v, want 10 records and the committed offset", before)
	}
}

// TestEmbeddedKill kills the broker's process: every acknowledged record is there afterwards.
func TestEmbeddedKill(t *testing.T) {
	dir := t.TempDir()
	addr := ""
	sent := 0
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), brokerDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(line)
		if round > 0 && got != addr {
			t.Errorf("round %d: the address changed from %s to %s", round, addr, got)
		}
		addr = got
		s := settingsOf(addr)
		if err := testAdmin(t, s).EnsureTopic(t.Context(), "t", TopicSpec{Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		if got := len(readAll(t, s, "t")[0]); got != sent {
			t.Errorf("round %d: got %d records, want the %d that were acknowledged", round, got, sent)
		}
		p := makeProducer(t, s)
		for range 20 {
			if err := wait(t, p, numbered("t", 0, sent, 50)...); err != nil {
				t.Fatal(err)
			}
			sent += 50
		}
		p.Close()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
}

func TestEmbeddedRefuses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	used := t.TempDir()
	e := startEmbedded(t, used)
	defer e.Close()
	cases := []struct{ name, dir, addr, want string }{
		{"directory in use", used, "", "is used by another process"},
		{"port in use", t.TempDir(), ln.Addr().String(), "is in use; stop what listens there"},
		{"no port", t.TempDir(), "localhost", "write host:port"},
		{"every address", t.TempDir(), "0.0.0.0:9092", "names no host"},
		{"no directory", "/dev/null/x", "", "not a directory"},
	}
	for _, c := range cases {
		if _, err := StartEmbedded(c.dir, c.addr, log()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestEmbeddedFixedPort(t *testing.T) {
	addr := nobody(t)
	e, err := StartEmbedded(t.TempDir(), addr, log())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Addr != addr {
		t.Errorf("got %s, want %s", e.Addr, addr)
	}
}

// TestUnreachable: each call says where no broker answers, and does not take long.
func TestUnreachable(t *testing.T) {
	addr := nobody(t)
	s := settingsOf(addr)
	start := time.Now()
	_, err := testAdmin(t, s).ClusterID(t.Context())
	want := "kafka: no broker answers at " + addr + " ("
	if err == nil || !strings.HasPrefix(err.Error(), want) || Permanent(err) {
		t.Errorf("got %v, want a passing error %s…", err, want)
	}
	if _, err := OpenStore(t.Context(), s, "offsets", log()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("store: got %v, want %s…", err, want)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s to say so", took)
	}
	if _, err := NewAdmin(Settings{}); !errors.Is(err, errNoBrokers) {
		t.Errorf("no brokers: got %v", err)
	}
}
