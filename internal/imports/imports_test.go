package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
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
	packages := map[string]bool{}
	err := filepath.WalkDir("../..", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || e.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		importer := path.Join("connectd", strings.TrimPrefix(filepath.ToSlash(filepath.Dir(name)), "../.."))
		packages[importer] = true
		for _, i := range file.Imports {
			check(t, importer, strings.Trim(i.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < len(may) {
		t.Errorf("found %d packages, want all of connectd", len(packages))
	}
}

// check looks whether importer may import imported.
func check(t *testing.T, importer, imported string) {
	if strings.HasPrefix(imported, client) && imported != registry && !slices.Contains(clients, importer) {
		t.Errorf("%s imports %s: only %s may", importer, imported, strings.Join(clients, " and "))
	}
	of := rule(importer)
	if of == "" || !strings.HasPrefix(imported, "connectd/") || slices.Contains(may[of], imported) || rule(imported) == of && within(importer, imported) {
		return
	}
	t.Errorf("%s imports %s: it may import %s only", importer, imported, strings.Join(may[of], ", "))
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
