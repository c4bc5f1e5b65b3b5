package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata and docs/reference")

// asConnectd in the environment makes this test binary be connectd: the tests run the real
// program, in a process of its own, without building it a second time.
const asConnectd = "CONNECTD_TEST_AS_CONNECTD"

func TestMain(m *testing.M) {
	if os.Getenv(asConnectd) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command is connectd with args, to be run in dir.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asConnectd+"=1")
	return cmd
}

// TestGolden runs the command lines of testdata/*.txtar: the file "args" holds the words of one,
// "env" its variables, and "want" is the exit code and what it printed.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { golden(t, path) })
	}
}

func golden(t *testing.T, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(data)
	dir := t.TempDir()
	var args, env []string
	want := -1
	for i, f := range archive.Files {
		switch f.Name {
		case "args":
			args = strings.Fields(string(f.Data))
		case "env":
			env = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case "want":
			want = i
		default:
			name := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := command(t, dir, args...)
	cmd.Env = append(cmd.Env, env...)
	got := outcome(t, cmd)
	if *update {
		if want < 0 {
			want, archive.Files = len(archive.Files), append(archive.Files, txtar.File{Name: "want"})
		}
		archive.Files[want].Data = []byte(got)
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want < 0 {
		t.Fatalf("%s has no file want; run go test -update", path)
	}
	if got != string(archive.Files[want].Data) {
		t.Errorf("%sgot:\n%s\nwant:\n%s", archive.Comment, got, archive.Files[want].Data)
	}
}

// outcome runs cmd and returns its exit code and output.
func outcome(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "exit %d\n", cmd.ProcessState.ExitCode())
	for _, stream := range []struct {
		name string
		text string
	}{{"stdout", stdout.String()}, {"stderr", stderr.String()}} {
		if stream.text != "" {
			fmt.Fprintf(&s, "%s:\n%s", stream.name, stream.text)
		}
	}
	return s.String()
}

func TestVersion(t *testing.T) {
	got := outcome(t, command(t, t.TempDir(), "version"))
	want := regexp.MustCompile(`^exit 0\nstdout:\nconnectd \S+\ncommit .+\ngo1\.\d+.*\n$`)
	if !want.MatchString(got) {
		t.Errorf("got %s, want a match of %s", strconv.Quote(got), want)
	}
}
