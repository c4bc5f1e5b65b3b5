package connector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"connectd/config"
	"connectd/connect"
)

// problemsOf are the problems of one connector called c, written in YAML, without the file's name.
func problemsOf(t *testing.T, yaml string) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "connectors.yaml")
	text := "connectors:\n  c:\n    " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n    ") + "\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, problems := config.Load([]string{name})
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	var w WorkerSettings
	w.Defaults()
	c, problems := Load(file.Connectors[0], &w, tablePlugins())
	if (c == nil) != (problems.Err() != nil) {
		t.Errorf("connector %v with the problems %v", c, problems)
	}
	var all []string
	for _, p := range problems {
		all = append(all, strings.TrimPrefix(p.String(), name+":"))
	}
	return all
}

func TestLoadProblems(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		want       []string
	}{
		{"source", "connector.class: counter-source\ntopic: t", nil},
		{"sink", "connector.class: memory-sink\ntopics: a,b", nil},
		{"no class", "topic: t", []string{
			`2:3: connectors.c.connector.class: is missing; write one of counter-source, memory-sink`,
		}},
		{"unknown class", "connector.class: countr-source\ntopic: t", []string{
			`3:5: connectors.c.connector.class: "countr-source" is not a known connector; did you mean "counter-source"? (counter-source, memory-sink)`,
		}},
		{"unknown key", "connector.class: counter-source\ntopic: t\ntask.max: 2", []string{
			`5:5: connectors.c.task.max: is not a known key; did you mean tasks.max?`,
		}},
		{"topics of a source", "connector.class: counter-source\ntopic: t\ntopics.regex: a", []string{
			`5:5: connectors.c.topics.regex: is not a known key; remove it, or see docs/reference for the keys that there are`,
		}},
		{"both topics", "connector.class: memory-sink\ntopics: a\ntopics.regex: b", []string{
			`5:5: connectors.c.topics.regex: is set together with topics; remove one of them`,
		}},
		{"no topics", "connector.class: memory-sink", []string{
			`2:3: connectors.c.topics: is missing; name the topics to read, or write topics.regex`,
		}},
		{"transactions", "connector.class: counter-source\ntopic: t\nexactly.once.support: required\ntransaction.boundary: connector\ntransaction.boundary.interval.ms: 0", []string{
			`6:5: connectors.c.transaction.boundary: connector is not supported: no source decides by itself where a transaction ends; write poll or interval`,
			`7:5: connectors.c.transaction.boundary.interval.ms: is not a pause; write 1 or more`,
		}},
		{"topic creation", "connector.class: counter-source\ntopic: t\ntopic.creation.default.partitions: many", []string{
			`5:5: connectors.c.topic.creation.default.partitions: "many" is not a number of partitions; write 1 or more, or -1 for the broker's default`,
		}},
		{"converter", "connector.class: counter-source\ntopic: t\nvalue.converter: jsn\nkey.converter: json\nkey.converter.schema.enable: false", []string{
			`5:5: connectors.c.value.converter: "jsn" is not a known converter; did you mean "json"? (json, simple, string)`,
			`7:5: connectors.c.key.converter.schema.enable: is not a known key; did you mean key.converter.schemas.enable?`,
		}},
		{"transform", "connector.class: counter-source\ntopic: t\ntransforms: few,none\ntransforms.few.type: pickey\ntransforms.feew.drop: 1", []string{
			`5:5: connectors.c.transforms.none.type: is missing; write one of picky`,
			`6:5: connectors.c.transforms.few.type: "pickey" is not a known transform; did you mean "picky"? (picky)`,
			`7:5: connectors.c.transforms.feew.drop: belongs to the transform "feew", which is not in transforms; did you mean "few"?`,
		}},
		{"predicates", "connector.class: counter-source\ntopic: t\ntransforms: few\ntransforms.few.type: picky\ntransforms.few.predicate: p\ntransforms.few.drop: x\npredicates: p\npredicates.p.type: q", []string{
			`7:5: connectors.c.transforms.few.predicate: is not supported yet; remove it, or filter at the source`,
			`8:5: connectors.c.transforms.few.drop: "x" is not a whole number; write digits only, such as 10`,
			`9:5: connectors.c.predicates: are not supported yet; remove them, or filter at the source`,
			`10:5: connectors.c.predicates.p.type: is not supported yet; remove it, or filter at the source`,
		}},
		{"patience", "connector.class: memory-sink\ntopics: a\nerrors.retry.timeout: -2", []string{
			`5:5: connectors.c.errors.retry.timeout: "-2" is not an errors retry timeout: write milliseconds, or -1 for without end`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := problemsOf(t, c.yaml)
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestLoadTakesWorkersConverters(t *testing.T) {
	written, _ := config.NewConnector("c", map[string]string{
		"connector.class": "org.example.CounterSourceConnector", "topic": "t",
		"value.converter": "StringConverter",
	})
	w := &WorkerSettings{}
	w.Defaults()
	w.KeyConverter, w.KeySettings = "org.apache.kafka.connect.json.JsonConverter", map[string]string{"schemas.enable": "true"}
	c, problems := Load(written, w, tablePlugins())
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	if got := c.key.plugin.Class + " " + c.value.plugin.Class + " " + c.header.plugin.Class; got != "json string simple" {
		t.Errorf("converters %s", got)
	}
	if c.Class != "counter-source" || c.Kind != connect.SourceKind {
		t.Errorf("class %s, kind %s", c.Class, c.Kind)
	}
}

func TestSinkTakesOverItsOwnBatching(t *testing.T) {
	plugins := tablePlugins()
	if c := loadTable(t, plugins, "connector.class", "memory-sink", "topics", "a", "flush.rows", "7"); c.Sink.MaxRows != 7 {
		t.Errorf("batch.max.rows is %d, want the sink's 7", c.Sink.MaxRows)
	}
	if c := loadTable(t, plugins, "connector.class", "memory-sink", "topics", "a", "flush.rows", "7", "batch.max.rows", "9"); c.Sink.MaxRows != 9 {
		t.Errorf("batch.max.rows is %d, want 9 as written", c.Sink.MaxRows)
	}
}

func TestExactlyOnceSupport(t *testing.T) {
	written, _ := config.NewConnector("c", map[string]string{"connector.class": "counter-source", "topic": "numbers"})
	for support, want := range map[string]bool{"disabled": false, "preparing": false, "enabled": true} {
		var s WorkerSettings
		s.Defaults()
		s.ExactlyOnce = support
		c, problems := Load(written, &s, tablePlugins())
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		if c.ExactlyOnce != want {
			t.Errorf("exactly.once.source.support: %s: %v, want %v", support, c.ExactlyOnce, want)
		}
	}
}
