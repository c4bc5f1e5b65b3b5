package imports

import (
	"os/exec"
	"strings"
	"testing"
)

// may says which of our own packages a package may import, by prefix. Packages that are not
// named (cmd, rest, bench, internal) may import any.
var may = map[string][]string{
	"connectd/record":    {},
	"connectd/config":    {},
	"connectd/convert":   {"connectd/record", "connectd/config", "connectd/convert/registry", "connectd/internal/dial", "connectd/internal/pemstore"},
	"connectd/transform": {"connectd/record", "connectd/config", "connectd/convert"},
	"connectd/kafka":     {"connectd/record", "connectd/config", "connectd/internal/dial", "connectd/internal/pemstore"},
	"connectd/connect":   {"connectd/record", "connectd/config", "connectd/convert", "connectd/kafka", "connectd/internal/fault"},
	"connectd/source/":   {"connectd/record", "connectd/config", "connectd/convert", "connectd/connect", "connectd/internal/fault", "connectd/internal/dial", "connectd/internal/s3client"},
	"connectd/sink/":     {"connectd/record", "connectd/config", "connectd/convert", "connectd/transform", "connectd/connect", "connectd/internal/fault", "connectd/internal/dial", "connectd/internal/s3client"},
}

// client is the Kafka client, and clients are the packages that may import it. The client of the
// Schema Registry is one of HTTP.
const (
	client   = "github.com/twmb/franz-go"
	registry = client + "/pkg/sr"
)

var clients = []string{"connectd/kafka", "connectd/internal/testenv"}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}{{range .Imports}} {{.}}{{end}}", "connectd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		importer := names[0]
		packages++
		for _, imported := range names[1:] {
			if strings.HasPrefix(imported, client) && imported != registry && !one(importer, clients) {
				t.Errorf("%s imports %s: only %s may", importer, imported, strings.Join(clients, " and "))
			}
			if allowed, ruled := rule(importer); ruled && strings.HasPrefix(imported, "connectd/") && !one(imported, allowed) && !within(importer, imported) {
				t.Errorf("%s imports %s: it may import %s only", importer, imported, strings.Join(allowed, ", "))
			}
		}
	}
	if packages < len(may) {
		t.Errorf("go list named %d packages, want all of connectd", packages)
	}
}

// rule is what the package called name may import.
func rule(name string) (allowed []string, ruled bool) {
	for prefix, allowed := range may {
		if name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/") {
			return allowed, true
		}
	}
	return nil, false
}

// within says whether one package lies in the other's folder.
func within(a, b string) bool {
	return strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

func one(name string, names []string) bool {
	for _, n := range names {
		if name == n {
			return true
		}
	}
	return false
}
