package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	options := map[string]Option{}
	var order []string
	for _, o := range Describe(&sample{}, &Shared2{}) {
		options[o.Key] = o
		order = append(order, o.Key)
	}
	if order[0] != "tasks.max" || order[len(order)-1] != "extra" {
		t.Errorf("order %q, want that of the fields", order)
	}
	for _, want := range []Option{
		{Key: "tasks.max", Type: "int", Default: "1", Doc: "most tasks"},
		{Key: "database.hostname", Type: "string", Required: true, Doc: "host of the database"},
		{Key: "database.password", Type: "password", Doc: "password"},
		{Key: "topic.prefix", Type: "string", Aliases: []string{"database.server.name", "server.name"}, Doc: "first part of topic names"},
		{Key: "snapshot.mode", Type: "string", Default: "initial", Values: strings.Split("always,initial,initial_only,no_data,when_needed", ","), Doc: "what to read before streaming"},
		{Key: "heartbeat.interval", Type: "duration", Default: "10s", Doc: "how often a heartbeat is written"},
		{Key: "heartbeat.interval.ms", Type: "duration", Default: "500", Doc: "the same in milliseconds"},
		{Key: "producer.override.*", Type: "map", Doc: "producer properties"},
		{Key: "include.schema.changes", NoEffect: "PostgreSQL has no schema change topic"},
		{Key: "extra", Type: "boolean", Default: "false", Doc: "more"},
	} {
		if got := options[want.Key]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", want.Key, got, want)
		}
	}
}

// Shared2 repeats a key of sample and adds one.
type Shared2 struct {
	Tasks int  `yaml:"tasks.max" doc:"most tasks"`
	Extra bool `yaml:"extra" doc:"more"`
}

func (s *Shared2) Defaults() { *s = Shared2{} }

type channels struct {
	C chan int `yaml:"c" doc:"can not be configured"`
}

func (*channels) Defaults() {}

type wrongWildcard struct {
	W string `yaml:"w.*" doc:"is not a map"`
}

func (*wrongWildcard) Defaults() {}

func TestFieldsThatCanNotBeDecodedPanic(t *testing.T) {
	for _, s := range []Settings{&channels{}, &wrongWildcard{}} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "can not be decoded") {
					t.Errorf("%T: recovered %v, want a panic that names the field", s, r)
				}
			}()
			Describe(s)
		}()
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"name", "nmae", 1}, {"initial", "intial", 1}, {"kitten", "sitting", 3}, {"abc", "xyz", 3},
	} {
		if got := distance(test.a, test.b, 10); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a, 10); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "65536": 65536, "16MiB": 16 << 20, "16 mib": 16 << 20, "1GB": 1e9, "1.5KiB": 1536, "8k": 8192, "10b": 10, "-1": -1,
		"9223372036854775807": 1<<63 - 1,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "1XB", "NaN", "9e30", "8EiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0", 1000: "1000", 1024: "1KiB", 16 << 20: "16MiB", 3 << 40: "3TiB"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d).String() = %q, want %q", int64(size), got, want)
		}
	}
}
