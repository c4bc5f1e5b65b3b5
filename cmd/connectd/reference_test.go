package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"connectd/config"
	"connectd/connect/connector"
	"connectd/kafka"
)

// Every key of everything that may be configured has a sentence, and every class its aliases.
func TestEveryKeyIsDocumented(t *testing.T) {
	check := func(where string, options []config.Option) {
		for _, o := range options {
			text := o.Doc
			if o.NoEffect != "" {
				text = o.NoEffect
			}
			if text == "" {
				t.Errorf("%s: %s has no doc tag", where, o.Key)
			}
			if o.Required && o.Default != "" {
				t.Errorf("%s: %s is required and has the default %q", where, o.Key, o.Default)
			}
			if len(o.Values) > 0 && o.Type == "string" && o.Default != "" && !slices.Contains(o.Values, o.Default) {
				t.Errorf("%s: the default %q of %s is not one of its values %q", where, o.Default, o.Key, o.Values)
			}
		}
	}
	check("worker", config.Describe(&config.Worker{}, &connector.WorkerSettings{}, &kafka.Settings{}))
	for _, k := range kinds() {
		for _, p := range k.table {
			check(p.Class, options(k.name, p))
			if len(p.Aliases) == 0 {
				t.Errorf("%s stands in for no Java class", p.Class)
			}
		}
	}
}

// A key or an alias must not mean two things within what is decoded together.
func TestKeysAreUnique(t *testing.T) {
	check := func(where string, options []config.Option) {
		seen := map[string]string{}
		for _, o := range options {
			for _, name := range append([]string{o.Key}, o.Aliases...) {
				if other, ok := seen[name]; ok {
					t.Errorf("%s: %s is a name of %s and of %s", where, name, other, o.Key)
				}
				seen[name] = o.Key
			}
		}
	}
	check("worker", config.Describe(&config.Worker{}, &connector.WorkerSettings{}, &kafka.Settings{}))
	for _, k := range kinds() {
		for _, p := range k.table {
			check(p.Class, options(k.name, p))
		}
	}
}

// docs/reference is what `connectd reference` writes; -update writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	const dir = "../../docs/reference"
	files := reference()
	if *update {
		old, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if got := outcome(t, command(t, ".", "reference", dir)); got != "exit 0\n" {
			t.Fatal(got)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatalf("%v; run go test ./cmd/connectd -update", err)
		}
		if string(got) != files[name] {
			t.Errorf("docs/reference/%s is not up to date; run go test ./cmd/connectd -update", name)
		}
	}
	there, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if _, ok := files[filepath.Base(path)]; !ok {
			t.Errorf("%s describes nothing; run go test ./cmd/connectd -update", path)
		}
	}
}
