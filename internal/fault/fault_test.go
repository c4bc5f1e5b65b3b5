package fault

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPoint runs this test binary again, which dies at the armed pass.
func TestPoint(t *testing.T) {
	if os.Getenv("FAULT_TEST_CHILD") != "" {
		for range 5 {
			_, _ = os.Stdout.WriteString("x")
			Point("other")
			Point("step")
		}
		os.Exit(0)
	}
	for _, c := range []struct {
		armed  string
		passes int
		killed bool
	}{
		{"", 5, false},
		{"step", 1, true},
		{"step:3", 3, true},
		{"step:9", 5, false},
		{"another", 5, false},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=TestPoint")
		cmd.Env = append(os.Environ(), "FAULT_TEST_CHILD=1", "CONNECTD_FAULT="+c.armed)
		out, err := cmd.Output()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && strings.Contains(exit.Error(), "killed")
		if n := strings.Count(string(out), "x"); n != c.passes || killed != c.killed {
			t.Errorf("CONNECTD_FAULT=%q: %d passes, killed %v (%v); want %d, %v", c.armed, n, killed, err, c.passes, c.killed)
		}
	}
}
