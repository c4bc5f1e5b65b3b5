package config

import (
	"slices"
	"strings"
	"testing"
)

func TestWorkerDefaults(t *testing.T) {
	var w Worker
	if problems := Decode(&Section{Path: "worker"}, &w); len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := []string{"http://127.0.0.1:8083"}; !slices.Equal(w.Listeners, want) {
		t.Errorf("listeners %q, want %q", w.Listeners, want)
	}
}

func TestWorkerProblems(t *testing.T) {
	for _, test := range []struct{ key, value, want string }{
		{"listeners", "http://0.0.0.0:8083", ""},
		{"listeners", "http://:8083", ""},
		{"listeners", "http://a:1,http://b:2", ""},
		{"listeners", "http://a:1,b:2", "\"b:2\" is not an address"},
		{"listeners", "", "is empty"},
		{"listeners", "https://localhost:8083", "is not an address"},
		{"listeners", "localhost:8083", "is not an address"},
		{"embedded.broker.listener", "9092", "is not an address"},
		{"embedded.broker.dir", "", "is empty"},
		{"log.level", "trace", "is not a log level"},
		{"log.level", "DEBUG", ""},
		{"log.format", "xml", "is not a log format"},
		{"producer.linger.ms", "5", ""},
		{"config.providers.file.class", "x", "has no effect here"},
		{"listener", "x", "did you mean listeners?"},
	} {
		s := &Section{Path: "worker", Entries: []Entry{{Key: test.key, Raw: test.value, Value: test.value}}}
		got := Decode(s, &Worker{}).Error()
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q\ngot  %q\nwant %q", test.key, test.value, got, test.want)
		}
	}
}
