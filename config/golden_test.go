package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden runs one golden file: it unpacks the files of the archive into the working directory
// (sets the variables of the file "env"), and compares what run gives with the file "want".
func golden(t *testing.T, path string, run func(t *testing.T, files []string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(data)
	path, err = filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	var files []string
	want := -1
	for i, f := range archive.Files {
		switch f.Name {
		case "want":
			want = i
		case "env":
			for line := range strings.Lines(string(f.Data)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				t.Setenv(name, value)
			}
		default:
			if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
			files = append(files, f.Name)
		}
	}
	got := run(t, files)
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
	if string(archive.Files[want].Data) != got {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", archive.Comment, got, archive.Files[want].Data)
	}
}

func goldens(t *testing.T, pattern string, run func(t *testing.T, files []string) string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { golden(t, path, run) })
	}
}

// TestLoad loads the archive's file "args", one path a line, or all its configuration files.
func TestLoad(t *testing.T) {
	goldens(t, "testdata/load/*.txtar", func(t *testing.T, files []string) string {
		var paths []string
		for _, name := range files {
			if name == "args" {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				paths = strings.Fields(string(data))
				break
			}
			if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" || ext == ".json" {
				paths = append(paths, name)
			}
		}
		file, problems := Load(paths)
		return show(file, problems)
	})
}

// show is a File as text: the problems, then each section with its settings, their place, and
// what they are written as when that differs.
func show(file *File, problems Problems) string {
	var s strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&s, p)
	}
	section := func(title string, section Section) {
		fmt.Fprintf(&s, "\n%s\n", title)
		for _, e := range section.Entries {
			fmt.Fprintf(&s, "  %d:%d %s = %s", e.Pos.Line, e.Pos.Col, e.Key, e.Value)
			if e.Raw != e.Value {
				fmt.Fprintf(&s, "  (%s)", e.Raw)
			}
			fmt.Fprintln(&s)
		}
	}
	if len(file.Worker.Entries) > 0 {
		section("worker", *file.Worker)
	}
	for _, c := range file.Connectors {
		title := fmt.Sprintf("%s at %s:%d:%d, %s", c.Path, c.Pos.File, c.Pos.Line, c.Pos.Col, c.State)
		if len(c.Problems) > 0 {
			title += fmt.Sprintf(", problems: %d", len(c.Problems))
		}
		section(title, c.Section)
	}
	return s.String()
}

// mode is a named string, as connectors declare for their enumerations.
type mode string

// level is a type with its own text form.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return fmt.Errorf("write low or high")
	}
	return nil
}

func (l level) String() string { return [...]string{"", "low", "high"}[l] }

// Shared is embedded, as the runtime's settings are.
type Shared struct {
	Tasks int `yaml:"tasks.max" doc:"most tasks"`
}

// sample has a field of every kind.
type sample struct {
	Shared
	Host     string            `yaml:"database.hostname" required:"true" doc:"host of the database"`
	Port     int32             `yaml:"database.port" doc:"port of the database"`
	Password Secret            `yaml:"database.password" doc:"password"`
	Prefix   string            `yaml:"topic.prefix" alias:"database.server.name!,server.name" doc:"first part of topic names"`
	Snapshot mode              `yaml:"snapshot.mode" values:"always,initial,initial_only,no_data,when_needed" doc:"what to read before streaming"`
	Slot     string            `yaml:"slot.name" doc:"replication slot"`
	Beat     time.Duration     `yaml:"heartbeat.interval" doc:"how often a heartbeat is written"`
	BeatBare time.Duration     `yaml:"heartbeat.interval.ms" doc:"the same in milliseconds"`
	Wait     time.Duration     `yaml:"wait.seconds" doc:"how long to wait"`
	Batch    int64             `yaml:"max.batch" doc:"rows in a batch"`
	Rate     float64           `yaml:"rate" doc:"rows a second"`
	Memory   Size              `yaml:"memory.max" doc:"memory"`
	Enabled  bool              `yaml:"enabled" doc:"whether it runs"`
	Tables   []string          `yaml:"table.include.list" doc:"tables"`
	Skipped  []string          `yaml:"skipped.operations" values:"c,u,d,t,none" doc:"operations that are left out"`
	Regex    *regexp.Regexp    `yaml:"topics.regex" doc:"topics"`
	Topics   map[string]string `yaml:"topic2table" doc:"table of each topic"`
	Override map[string]string `yaml:"producer.override.*" doc:"producer properties"`
	Level    level             `yaml:"level" doc:"level"`
	Old      struct{}          `yaml:"include.schema.changes" noeffect:"PostgreSQL has no schema change topic"`
	OldMany  struct{}          `yaml:"schema.history.internal.*" noeffect:"there is no schema history"`
}

func (s *sample) Defaults() {
	*s = sample{Snapshot: "initial", Port: 5432, Beat: 10 * time.Second, BeatBare: 500 * time.Millisecond, Batch: 2048}
	s.Tasks = 1
}

func (s *sample) Validate(r *Report) {
	if s.Batch < 1 {
		r.Errorf("max.batch", "is %d; write 1 or more", s.Batch)
	}
	if s.Port < 1 {
		r.Errorf("database.port", "is %d; write 1 to 65535", s.Port)
	}
	if s.Prefix == "test" {
		r.Warnf("topic.prefix", "is %q; is that meant for production?", s.Prefix)
	}
	if s.Enabled && !r.Set("slot.name") {
		r.Errorf("slot.name", "is missing; write the slot's name")
	}
}

// TestDecode decodes every connector of the archive's file into a sample.
func TestDecode(t *testing.T) {
	goldens(t, "testdata/decode/*.txtar", func(t *testing.T, files []string) string {
		file, problems := Load(files)
		var s strings.Builder
		for _, p := range problems {
			fmt.Fprintln(&s, p)
		}
		for _, c := range file.Connectors {
			var settings sample
			for _, p := range Decode(&c.Section, &settings) {
				fmt.Fprintln(&s, p)
			}
			fmt.Fprintf(&s, "\n%s\n", c.Name)
			blank := sample{}
			blank.Defaults()
			defaults := fieldsOf(&blank)
			for i, f := range fieldsOf(&settings) {
				if f.noeffect == "" && (f.text() != defaults[i].text() || f.value.Type() == secretType) {
					fmt.Fprintf(&s, "  %s = %v\n", f.name(), f.value.Interface())
				}
			}
		}
		return s.String()
	})
}
