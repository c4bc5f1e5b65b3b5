package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopLimit is what an operator may expect of SIGTERM.
const stopLimit = 10 * time.Second

// A connector with a problem is FAILED with its cause and does not disturb the other one, the
// broker that is missing is the embedded one, and SIGTERM ends all of it with exit code 0.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	const connectors = `worker: { listeners: "http://127.0.0.1:0" }
connectors:
  bad: { connector.class: s3-sink, topics: a, s3.bucket.nam: b }
  good: { connector.class: s3-sink, topics: a, s3.bucket.name: b, store.url: "http://127.0.0.1:1", aws.access.key.id: a, aws.secret.access.key: b }
`
	if err := os.WriteFile(filepath.Join(dir, "connectors.yaml"), []byte(connectors), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, dir, "run", "connectors.yaml")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the first line on standard output: %v", err)
	}
	_, url, ok := strings.Cut(strings.TrimSpace(first), "connectd listening on ")
	if !ok {
		t.Fatalf("the first line on standard output is %q, want where the REST API listens", first)
	}
	lines := bufio.NewScanner(stderr)
	var log strings.Builder
	for !strings.Contains(log.String(), "msg=started") && lines.Scan() {
		log.WriteString(lines.Text() + "\n")
	}
	for _, want := range []string{
		"connectors.yaml:3:47: connectors.bad.s3.bucket.nam: is not a known key; did you mean s3.bucket.name?\n",
		"embedded Kafka broker, for demos, tests and laptops",
		"data=./connectd-data",
		"connectors=1 failed=1",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	if got := get(t, url+"/connectors/bad/status"); !strings.Contains(got, `"FAILED"`) || !strings.Contains(got, "s3.bucket.nam: is not a known key") {
		t.Errorf("status of the bad connector: %s", got)
	}
	if got := get(t, url+"/connectors/good/status"); strings.Contains(got, `"connector":{"state":"FAILED"`) {
		t.Errorf("status of the good connector: %s", got)
	}
	start := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit code 0; its log:\n%s", err, log.String())
	}
	if took := time.Since(start); took > stopLimit {
		t.Errorf("stopping took %v, want at most %v; its log:\n%s", took, stopLimit, log.String())
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
