package testenv

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed versions.env
var versionsEnv string

// versions maps the names in versions.env, such as "KAFKA", to their versions.
var versions = parseVersions(versionsEnv)

func parseVersions(env string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(env) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(k, "#") {
			m[k] = v
		}
	}
	return m
}

// serversDir is where install-servers.sh installs to.
func serversDir() (string, error) {
	if d := os.Getenv("CONNECTD_SERVERS_DIR"); d != "" {
		return filepath.Abs(d)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the servers: %w; set CONNECTD_SERVERS_DIR", err)
	}
	return filepath.Join(cache, "connectd"), nil
}

// installed returns the directory of a server, such as "kafka-4.3.1"; name is what
// install-servers.sh calls it.
func installed(name, subdir string) (string, error) {
	root, err := serversDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, subdir)
	if _, err := os.Stat(dir); err != nil {
		return "", notInstalled(name, dir)
	}
	return dir, nil
}

func notInstalled(name, dir string) error {
	return fmt.Errorf("%s is not installed in %s; run scripts/install-servers.sh %s", name, dir, name)
}
