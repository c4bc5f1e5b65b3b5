package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Decode fills each of into from s: defaults first, then what is written, then Validate. A key
// that none of them knows is a problem. The problems are in file order; when there are errors
// among them, what could be decoded is, and the rest keeps its defaults.
func Decode(s *Section, into ...Settings) Problems {
	d := decoder{report: Report{section: s, written: map[string]Entry{}, bad: map[string]bool{}}}
	for _, settings := range into {
		settings.Defaults()
		d.fields = append(d.fields, fieldsOf(settings)...)
	}
	for _, e := range s.Entries {
		d.entry(e)
	}
	d.missing()
	for _, settings := range into {
		if v, ok := settings.(Validator); ok {
			v.Validate(&d.report)
		}
	}
	d.report.Problems.Sort()
	return d.report.Problems
}

// decoder is the state of one Decode.
type decoder struct {
	fields []field
	report Report
}

// entry decodes e into every field that it is meant for.
func (d *decoder) entry(e Entry) {
	if d.named(e) || d.nested(e) {
		return
	}
	d.problem(e, "is not a known key; "+d.advice(e.Key))
}

// named decodes e when its key is the key or an alias of a field.
func (d *decoder) named(e Entry) (known bool) {
	for i := range d.fields {
		f := &d.fields[i]
		if f.wildcard {
			continue
		}
		if f.key == e.Key {
			d.set(f, e)
			known = true
			continue
		}
		at := slices.IndexFunc(f.aliases, func(a alias) bool { return a.name == e.Key })
		if at < 0 {
			continue
		}
		if _, both := d.report.section.Get(f.key); both {
			d.warning(e, "is the old name of %s, which is set too and counts; remove this one", f.key)
		} else if d.setBefore(f, e) {
			d.problem(e, fmt.Sprintf("is another name of %s, which is already set as %s; remove one of them", f.key, d.report.written[f.key].Key))
		} else {
			if f.aliases[at].deprecated {
				d.warning(e, "is the old name of %s; write %s", f.key, f.key)
			}
			d.set(f, e)
		}
		known = true
	}
	return known
}

// setBefore says whether f got its value from another entry than e.
func (d *decoder) setBefore(f *field, e Entry) bool {
	w, ok := d.report.written[f.key]
	return ok && w.Key != e.Key
}

// nested decodes e into the field whose map it is an element of: the one with the longest key.
func (d *decoder) nested(e Entry) (known bool) {
	longest := -1
	for i := range d.fields {
		if _, ok := d.fields[i].takes(e.Key); ok {
			longest = max(longest, len(d.fields[i].key))
		}
	}
	for i := range d.fields {
		f := &d.fields[i]
		rest, ok := f.takes(e.Key)
		if !ok || len(f.key) != longest {
			continue
		}
		known = true
		if f.noeffect != "" {
			d.noeffect(f, e)
			continue
		}
		if e.unresolved {
			d.report.bad[e.Key] = true
			continue
		}
		d.report.written[e.Key] = e
		if f.value.IsNil() {
			f.value.Set(reflect.ValueOf(map[string]string{}))
		}
		f.value.SetMapIndex(reflect.ValueOf(rest), reflect.ValueOf(e.Value))
	}
	return known
}

// set gives f the value of e.
func (d *decoder) set(f *field, e Entry) {
	d.report.written[f.key] = e
	switch {
	case f.noeffect != "":
		d.noeffect(f, e)
	case e.unresolved:
		d.report.bad[f.key] = true
	case f.required && e.Value == "":
		d.report.Errorf(f.key, "is empty; set %s", wanted(f))
	default:
		if wrong := f.set(e); wrong != "" {
			d.report.Errorf(f.key, "%s", wrong)
		}
	}
}

// missing reports the required fields that are not written.
func (d *decoder) missing() {
	for i := range d.fields {
		f := &d.fields[i]
		if f.required && !d.report.Set(f.key) {
			d.report.Errorf(f.key, "is missing; set %s", wanted(f))
		}
	}
}

// wanted is "it" with what belongs into a required field.
func wanted(f *field) string {
	if f.doc == "" {
		return "it"
	}
	return "it (" + f.doc + ")"
}

func (d *decoder) noeffect(f *field, e Entry) {
	d.warning(e, "has no effect here: %s; remove it", f.noeffect)
}

// advice is what to do about an unknown key.
func (d *decoder) advice(key string) string {
	var names []string
	current := map[string]string{} // what to write instead of a deprecated name
	for i := range d.fields {
		f := &d.fields[i]
		names = append(names, f.candidate(key))
		for _, a := range f.aliases {
			names = append(names, a.name)
			if a.deprecated {
				current[a.name] = f.key
			}
		}
	}
	if near := nearestKey(key, names); near != "" {
		return "did you mean " + d.report.section.prefix + cmp.Or(current[near], near) + "?"
	}
	return "remove it, or see docs/reference for the keys that there are"
}

// candidate is what key would be if it were meant for f.
func (f *field) candidate(key string) string {
	if !f.wildcard {
		return f.key
	}
	parts, n := strings.Split(key, "."), strings.Count(f.key, ".")+1
	if len(parts) <= n {
		return f.name()
	}
	return f.key + "." + strings.Join(parts[n:], ".")
}

// problem reports an entry that belongs to no field.
func (d *decoder) problem(e Entry, text string) {
	d.report.Problems = append(d.report.Problems,
		Problem{Pos: e.Pos, Path: join(d.report.section.Path, e.Key), Text: text})
}

func (d *decoder) warning(e Entry, format string, args ...any) {
	d.report.Problems = append(d.report.Problems,
		Problem{Pos: e.Pos, Path: join(d.report.section.Path, e.Key), Text: fmt.Sprintf(format, args...), Warning: true})
}
