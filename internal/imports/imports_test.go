package imports

import (
	"os/exec"
	"strings"
	"testing"
)

// may says which of our own packages a package may import. A rule is for the package of its name and
// those in its folder that have none of their own; one that ends in a slash, for each folder in it.
// Packages without a rule (cmd, rest, bench, internal) may import any.
var may = map[string][]string{
	"connectd/record":    {},
	"connectd/config":    {},
	"connectd/convert":   {"connectd/record", "connectd/config", "connectd/convert/registry", "connectd/internal/dial", "connectd/internal/pemstore"},
	"connectd/transform": {"connectd/record", "connectd/config", "connectd/convert"},
	"connectd/kafka":     {"connectd/record", "connectd/config", "connectd/internal/dial", "connectd/internal/pemstore"},

	// The contract, and what runs those who keep it, from the bottom to the top.
	"connectd/connect":            {"connectd/record", "connectd/config", "connectd/convert", "connectd/kafka"},
	"connectd/connect/conform":    {"connectd/record", "connectd/convert", "connectd/connect"},
	"connectd/connect/deadletter": {"connectd/record", "connectd/kafka"},
	"connectd/connect/schemas":    {"connectd/record", "connectd/convert", "connectd/kafka"},
	"connectd/connect/connector":  {"connectd/record", "connectd/config", "connectd/convert", "connectd/kafka", "connectd/connect", "connectd/connect/deadletter"},
	"connectd/connect/task":       {"connectd/record", "connectd/connect", "connectd/connect/connector"},
	"connectd/connect/sourcetask": attempt,
	"connectd/connect/sinktask":   attempt,
	"connectd/connect/worker": {"connectd/config", "connectd/kafka", "connectd/connect", "connectd/connect/connector", "connectd/connect/schemas",
		"connectd/connect/task", "connectd/connect/sourcetask", "connectd/connect/sinktask"},

	"connectd/source/": {"connectd/record", "connectd/config", "connectd/convert", "connectd/connect", "connectd/internal/fault", "connectd/internal/dial", "connectd/internal/s3client"},
	"connectd/sink/":   {"connectd/record", "connectd/config", "connectd/convert", "connectd/convert/avro", "connectd/transform", "connectd/connect", "connectd/internal/fault", "connectd/internal/dial", "connectd/internal/s3client"},
}

// attempt is what running a task of either kind takes.
var attempt = []string{"connectd/record", "connectd/convert", "connectd/kafka", "connectd/connect", "connectd/connect/connector", "connectd/connect/deadletter",
	"connectd/connect/schemas", "connectd/connect/task", "connectd/internal/fault"}

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
			of := rule(importer)
			if of == "" || !strings.HasPrefix(imported, "connectd/") || one(imported, may[of]) || rule(imported) == of && within(importer, imported) {
				continue
			}
			t.Errorf("%s imports %s: it may import %s only", importer, imported, strings.Join(may[of], ", "))
		}
	}
	if packages < len(may) {
		t.Errorf("go list named %d packages, want all of connectd", packages)
	}
}

// rule is the name of the rule for a package, the longest that fits; "" when there is none.
func rule(name string) (longest string) {
	for prefix := range may {
		if len(prefix) > len(longest) && (name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/")) {
			longest = prefix
		}
	}
	return longest
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
