package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Option is what the reference says of one key.
type Option struct {
	Key      string   // "producer.override.*" takes every key that starts so
	Aliases  []string // other names that work too
	Type     string   // string, boolean, int, long, double, list, map, duration, size, regex, password
	Default  string   // "" for none
	Values   []string // the only ones allowed; nil for any
	Required bool
	Doc      string
	NoEffect string // why the key is accepted and does nothing
}

// Describe is the reference of settings, in the order of their fields. A key that several of
// them have is described once.
func Describe(into ...Settings) []Option {
	var options []Option
	seen := map[string]bool{}
	for _, s := range into {
		blank := reflect.New(reflect.TypeOf(s).Elem()).Interface().(Settings)
		blank.Defaults()
		for _, f := range fieldsOf(blank) {
			if seen[f.name()] {
				continue
			}
			seen[f.name()] = true
			options = append(options, f.option())
		}
	}
	return options
}

func (f *field) option() Option {
	o := Option{Key: f.name(), Values: f.values, Required: f.required, Doc: f.doc, NoEffect: f.noeffect}
	for _, a := range f.aliases {
		o.Aliases = append(o.Aliases, a.name)
	}
	if f.noeffect == "" {
		o.Type, o.Default = typeName(f.value.Type()), f.text()
	}
	return o
}

// text is the value of f as one would write it.
func (f *field) text() string {
	if f.value.Type() == secretType || !f.value.CanInterface() {
		return ""
	}
	switch v := f.value.Interface().(type) {
	case time.Duration:
		if unit, _ := unitOf(f.key); unit != 0 {
			return strconv.FormatInt(int64(v/unit), 10)
		}
		return shortDuration(v)
	case *regexp.Regexp:
		if v == nil {
			return ""
		}
		return v.String()
	case []string:
		return strings.Join(v, ",")
	case map[string]string:
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, k+"="+v[k])
		}
		return strings.Join(pairs, ",")
	default:
		return fmt.Sprint(v)
	}
}

// shortDuration is d without the zero units that time.Duration prints: 10m, not 10m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
