package files

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectd/config"
	"connectd/connect/connector"
)

// example loads a file of examples/ with these variables set.
func example(t *testing.T, name string, env ...string) *Config {
	t.Helper()
	for i := 0; i < len(env); i += 2 {
		t.Setenv(env[i], env[i+1])
	}
	file, problems := config.Load([]string{filepath.Join("..", "..", "examples", name)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var w connector.WorkerSettings
	w.Defaults()
	w.KeyConverter, w.ValueConverter = "json", "json"
	if _, problems := connector.Load(file.Connectors[0], &w, plugins); len(problems) > 0 {
		t.Fatal(problems)
	}
	var c Config
	config.Decode(&file.Connectors[0].Section, &c) // the runtime's keys are unknown to it alone
	return &c
}

func TestExampleComplete(t *testing.T) {
	in, done, bad := t.TempDir(), t.TempDir(), t.TempDir()
	c := example(t, "files-complete.yaml", "INVOICES", in, "INVOICES_DONE", done, "INVOICES_BAD", bad)
	write(t, filepath.Join(in, "2026", "a.csv"), "id,customer,amount,issued\n7,\"Smith, Jane\",12.50,2026-11-21\nx,\\N,1,2026-11-21\n")
	r := start(t, c, nil)
	r.want(`{"id":7,"customer":"Smith, Jane","amount":12.50,"issued":20778}`)
	if len(r.all) != 2 || r.all[0].key != "7" || r.all[1].err == nil || r.all[1].value != `x,\N,1,2026-11-21` {
		t.Errorf("got %+v", r.all)
	}
	r.until("it is moved", func() bool { return exists(filepath.Join(done, "a.csv")) })
}

func TestExampleTail(t *testing.T) {
	dir := t.TempDir()
	c := example(t, "files-tail.yaml", "APP_LOGS", dir)
	write(t, filepath.Join(dir, "app.log"), "2026-11-21 ERROR oops\n\tat main.go:1\n2026-11-21 INFO fine\n2026-11-21 INFO last\n")
	start(t, c, nil).want("2026-11-21 ERROR oops\n\tat main.go:1", "2026-11-21 INFO fine", "2026-11-21 INFO last")
}

// Kafka's own example of FileStreamSource runs as it is.
func TestExampleFileStream(t *testing.T) {
	c := example(t, "files-filestream.json")
	c.adopt("FileStreamSource")
	if c.Mode != "tail" || c.Format != "lines" || strings.Join(c.Include, ",") != "/var/log/app/events.jsonl" {
		t.Errorf("mode %s, format %s, include %q", c.Mode, c.Format, c.Include)
	}
}

func TestExampleBucket(t *testing.T) {
	s := newStore3(t)
	c := example(t, "files-bucket.yaml", "LAKE_BUCKET", s.name, "LAKE_REGION", s.server.Region, "LAKE_URL", s.server.Endpoint, "LAKE_KEY", s.server.AccessKey, "LAKE_SECRET", s.server.SecretKey)
	s.put("events/2026/11/a.jsonl", "{\"n\":1}\n")
	r := start(t, c, nil)
	r.want(`{"n":1}`)
	r.until("it is moved", func() bool { return slices.Equal(s.keys(), []string{"read/a.jsonl"}) })
}
