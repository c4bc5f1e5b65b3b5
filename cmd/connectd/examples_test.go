package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples validates every file that is shipped to be copied. The folder of a secret becomes
// one of the test's.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	const mounted = "/opt/kafka/external-configuration/connector-config"
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, "password"), []byte("password=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../connectors.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			copied := filepath.Join(dir, filepath.Base(file))
			if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(text), mounted, secrets)), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := command(t, dir, "validate", copied)
			cmd.Env = append(cmd.Env, "WAREHOUSE_PASSWORD=x")
			if got := outcome(t, cmd); !strings.HasPrefix(got, "exit 0\nstdout:\nok: ") {
				t.Error(got)
			}
		})
	}
}
