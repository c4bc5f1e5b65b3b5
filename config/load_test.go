package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The configuration that users come with loads without a problem once its password file is there.
func TestLoadSeedUnchanged(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("password=dbz\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seed, err := os.ReadFile("testdata/seed-connector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const there = "/opt/kafka/external-configuration/connector-config/password"
	path := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(string(seed), there, password, 1)), 0o600); err != nil {
		t.Fatal(err)
	}

	file, problems := Load([]string{path})
	if len(problems) > 0 || len(file.Connectors) != 1 {
		t.Fatalf("got %d connectors and problems:\n%v", len(file.Connectors), problems)
	}
	c := file.Connectors[0]
	for key, want := range map[string]string{
		"connector.class":                  "io.debezium.connector.postgresql.PostgresConnector",
		"tasks.max":                        "1",
		"database.password":                "dbz",
		"database.port":                    "5432",
		"key.converter.schemas.enable":     "false",
		"transforms.addPrefix.replacement": "cdc.$1",
		"transforms.addPrefix.regex":       "(.*)",
	} {
		if e, ok := c.Get(key); !ok || e.Value != want {
			t.Errorf("%s = %q, want %q", key, e.Value, want)
		}
	}
	if raw := c.Raw()["database.password"]; raw != "${file:"+password+":password}" {
		t.Errorf("Raw shows the password as %q, want the reference", raw)
	}
}

func TestSub(t *testing.T) {
	c, problems := NewConnector("shop", map[string]string{
		"transforms.unwrap.type":            "X",
		"transforms.unwrap.drop.tombstones": "false",
		"transforms.unwrapped.type":         "Y",
		"transforms.unwrap.":                "no key",
		"name":                              "shop",
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	part := c.Sub("transforms.unwrap.")
	var keys []string
	for _, e := range part.Entries {
		keys = append(keys, e.Key)
	}
	if want := []string{"drop.tombstones", "type"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	if want := "connectors.shop.transforms.unwrap"; part.Path != want {
		t.Errorf("path %q, want %q", part.Path, want)
	}
}

// A connector that comes over REST has no file: its problems begin with the key.
func TestNewConnectorProblems(t *testing.T) {
	c, problems := NewConnector("shop", map[string]string{"a": "${env:CONNECTD_TEST_UNSET}", "slot.nmae": "x"})
	problems = append(problems, Decode(&c.Section, &sample{})...)
	want := []string{
		"connectors.shop.a: ${env:CONNECTD_TEST_UNSET}: the environment variable CONNECTD_TEST_UNSET is not set; set it, or give a default: ${env:CONNECTD_TEST_UNSET:-default}",
		"connectors.shop.a: is not a known key; remove it, or see docs/reference for the keys that there are",
		"connectors.shop.slot.nmae: is not a known key; did you mean slot.name?",
		"connectors.shop.database.hostname: is missing; set it (host of the database)",
	}
	if got := strings.Split(problems.Error(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A few anchors can expand to billions of values; Load gives up early.
func TestLoadStopsExpanding(t *testing.T) {
	var s strings.Builder
	s.WriteString("connectors:\n  c0: &c0 { k: 1 }\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&s, "  c%d: &c%d { a: *c%d, b: *c%d }\n", i, i, i-1, i-1)
	}
	path := filepath.Join(t.TempDir(), "bomb.yaml")
	if err := os.WriteFile(path, []byte(s.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := Load([]string{path})
	if len(problems) != 1 || !strings.Contains(problems.Error(), "expands to more than 100000 values") {
		t.Errorf("got %.300v", problems)
	}
}

// Load and Decode never panic, whatever a file holds, and what they find is in file order.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/load/*.txtar", "testdata/decode/*.txtar", "testdata/seed-connector.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, part := range strings.Split(string(data), "\n-- ") {
				_, text, _ := strings.Cut(part, " --\n")
				f.Add([]byte(text))
			}
		}
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("connectors: &a { <<: *a, b: *a }"))
	f.Add([]byte(`{"connector.class":"x\/\ud83d\ude00","name":"a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "file:") {
			return // it would read files of this machine
		}
		path := filepath.Join(t.TempDir(), "fuzz.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, problems := Load([]string{path})
		problems = append(problems, Decode(file.Worker, &Worker{})...)
		for _, c := range file.Connectors {
			problems = append(problems, Decode(&c.Section, &sample{})...)
		}
		for _, p := range problems {
			if p.Text == "" || p.Pos.File != path {
				t.Errorf("a problem without a text or a place: %+v", p)
			}
		}
	})
}
