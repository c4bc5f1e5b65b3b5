package testenv

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// gone fails the test if anything of the server is left: a process that has its directory
// on the command line or works in it, or the directory.
func gone(t *testing.T, p *process) {
	t.Helper()
	if _, err := os.Stat(p.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("directory %q: got %v, want none", p.dir, err)
	}
	for _, pid := range processesOf(t, p.dir) {
		t.Errorf("process %d still runs in %q", pid, p.dir)
	}
}

// processesOf returns the processes that have dir on their command line or work in it.
func processesOf(t *testing.T, dir string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("this system has no /proc")
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		args, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline") // it may have ended meanwhile
		cwd, _ := os.Readlink("/proc/" + e.Name() + "/cwd")
		if strings.Contains(string(args), dir) || strings.HasPrefix(cwd, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestOrphan kills a program that started a server: the server and its directory have to go.
func TestOrphan(t *testing.T) {
	if dir := os.Getenv("TESTENV_ORPHAN"); dir != "" {
		if _, err := StartPostgres(t.Context(), dir, PostgresOptions{}); err != nil {
			t.Fatal(err)
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	shared(t)
	dir := t.TempDir() + "/postgres"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOrphan$", "-test.v")
	cmd.Env = append(os.Environ(), "TESTENV_ORPHAN="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("got %v, want signal: killed\n%s", err, out)
	}
	eventually(t, func() bool { return len(processesOf(t, dir)) == 0 }, "the server's processes are gone")
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		t.Errorf("directory: got %v, want it gone or empty", entries)
	}
}

// TestStartError shows what a server that does not start says.
func TestStartError(t *testing.T) {
	shared(t)
	tests := []struct {
		name  string
		start func(context.Context, string) error
		want  string
	}{
		{"postgres setting", func(ctx context.Context, dir string) error {
			_, err := StartPostgres(ctx, dir, PostgresOptions{Settings: map[string]string{"wal_level": "nonsense"}})
			return err
		}, `invalid value for parameter "wal_level"`},
		{"postgres version", func(ctx context.Context, dir string) error {
			_, err := StartPostgres(ctx, dir, PostgresOptions{Version: "9"})
			return err
		}, `there is no version "9" (13, 14, 15, 16, 17, 18)`},
		{"kafka property", func(ctx context.Context, dir string) error {
			_, err := StartKafka(ctx, dir, KafkaOptions{Properties: map[string]string{"node.id": "x"}})
			return err
		}, "Not a number of type INT"},
		{"port in use", func(ctx context.Context, dir string) error {
			_, err := StartClickHouse(ctx, dir, ClickHouseOptions{Port: SharedPostgres(t).Port})
			return err
		}, "Address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir() + "/server"
			err := tt.start(t.Context(), dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q in it", err, tt.want)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("directory after a start that went wrong: got %v, want none", err)
			}
		})
	}
}

// TestDirInUse shows that a server never takes, and so never removes, somebody's directory.
func TestDirInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/precious", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newDir("kafka", dir); err == nil || !strings.Contains(err.Error(), "is not empty; give a new one") {
		t.Errorf("got error %v", err)
	}
	if _, err := os.Stat(dir + "/precious"); err != nil {
		t.Error(err)
	}
}

func TestSharedMayNotBeStopped(t *testing.T) {
	for name, stop := range map[string]func() error{
		"postgres stop":      func() error { return SharedPostgres(t).Stop("fast") },
		"postgres restart":   func() error { return SharedPostgres(t).Restart("fast") },
		"kafka kill":         SharedKafka(t).Kill,
		"kafka restart":      SharedKafka(t).Restart,
		"clickhouse restart": SharedClickHouse(t).Restart,
		"s3 close":           SharedS3(t).Close,
	} {
		if err := stop(); err == nil || !strings.Contains(err.Error(), "shared with other tests") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func TestUnique(t *testing.T) {
	t.Run("Ünd / a name that is long, much longer than what a database or a bucket may have", func(t *testing.T) {
		for _, sep := range []string{"_", "-"} {
			a, b := unique(t, sep, 63), unique(t, sep, 63)
			if a == b {
				t.Errorf("got %q twice", a)
			}
			want := "ttestunique" + sep + "nd" + sep + "a" + sep + "name"
			if len(a) > 63 || !strings.HasPrefix(a, want) {
				t.Errorf("got %q, want at most 63 bytes that begin with %q", a, want)
			}
		}
	})
}

// eventually waits until ok, or fails the test.
func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stopTimeout)
	defer cancel()
	p := process{ready: func(context.Context) error {
		if ok() {
			return nil
		}
		return errors.New("not yet")
	}}
	if err := p.waitReady(ctx); err != nil {
		t.Fatalf("waited %v until %s", stopTimeout, what)
	}
}
