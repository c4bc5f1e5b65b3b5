package connector

import (
	"fmt"
	"slices"
	"strings"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
)

// Connector is a connector whose settings are decoded and checked, ready to run.
type Connector struct {
	Name  string
	Class string // of the table of plugins, also when an alias was written
	Kind  connect.Kind
	State config.State // what it starts as
	Hash  string       // of all settings, 8 hex digits

	ExactlyOnce bool // it is a source that writes in transactions

	// The runtime's own settings: those that both kinds have, and of the other two the one that the
	// connector is.
	*common
	Source *SourceSettings
	Sink   *SinkSettings

	plugin             connect.Plugin
	settings           config.Settings // the plugin's
	transforms         []part
	key, value, header part
}

// part is a transform or a converter of a connector.
type part struct {
	name     string // of a transform
	plugin   connect.Plugin
	settings config.Settings
}

// Load decodes and checks the settings of one connector: the runtime's own, the plugin's, and
// those of its transforms and converters. The connector is nil when an error is among the
// problems, or among those that c came with.
func Load(c *config.Connector, w *WorkerSettings, plugins connect.Plugins) (*Connector, config.Problems) {
	l := loader{written: c, worker: w, plugins: plugins}
	loaded := l.connector()
	l.problems.Sort()
	if l.problems.Err() != nil || c.Problems.Err() != nil {
		return nil, l.problems
	}
	return loaded, l.problems
}

// loader is the state of one Load.
type loader struct {
	written  *config.Connector
	worker   *WorkerSettings
	plugins  connect.Plugins
	problems config.Problems
}

func (l *loader) connector() *Connector {
	c := &Connector{Name: l.written.Name, State: l.written.State, Hash: hashOf(l.written)}
	class, ok := l.written.Get("connector.class")
	if !ok {
		l.add(config.Pos{}, "connector.class", "is missing; write one of "+classes(l.plugins.Sources, l.plugins.Sinks))
		return nil
	}
	var settings config.Settings
	if p, ok := connect.Find(l.plugins.Sources, class.Value); ok {
		c.Source = &SourceSettings{}
		c.Kind, c.plugin, c.common, settings = connect.SourceKind, p, &c.Source.common, c.Source
	} else if p, ok := connect.Find(l.plugins.Sinks, class.Value); ok {
		c.Sink = &SinkSettings{}
		c.Kind, c.plugin, c.common, settings = connect.SinkKind, p, &c.Sink.common, c.Sink
	} else {
		l.add(class.Pos, class.Key, unknownClass(class.Value, "connector", l.plugins.Sources, l.plugins.Sinks))
		return nil
	}
	c.Class = c.plugin.Class
	c.settings = c.plugin.Settings()
	l.problems = append(l.problems, config.Decode(l.own(), settings, c.settings)...)
	if c.Source != nil {
		c.ExactlyOnce = c.Source.ExactlyOnce == "required" || l.worker.ExactlyOnce == "enabled"
	}
	if c.Sink != nil {
		c.Sink.adopt(c.settings, &l.written.Section)
	}
	c.key = l.converter("key.converter", c.KeyConverter, l.worker.KeyConverter, l.worker.KeySettings)
	c.value = l.converter("value.converter", c.ValueConverter, l.worker.ValueConverter, l.worker.ValueSettings)
	c.header = l.converter("header.converter", c.HeaderConverter, l.worker.HeaderConverter, l.worker.HeaderSettings)
	for _, name := range c.Transforms {
		c.transforms = append(c.transforms, l.transform(name))
	}
	l.strayTransforms(c.Transforms)
	return c
}

// prefixes begin the keys that belong to parts of a connector.
var prefixes = []string{"key.converter.", "value.converter.", "header.converter.", "transforms.", "predicates."}

// own is the connector's section without the settings of its parts.
func (l *loader) own() *config.Section {
	s := l.written.Section
	s.Entries = nil
	for _, e := range l.written.Entries {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e.Key, p) }) {
			s.Entries = append(s.Entries, e)
		}
	}
	return &s
}

// converter loads the converter of what: the connector's own, or else the worker's, or else JSON
// without schemas.
func (l *loader) converter(what, own, worker string, settings map[string]string) part {
	section := l.written.Sub(what + ".")
	class := own
	if class == "" {
		class = worker
		if class == "" {
			class, settings = jsonConverter, map[string]string{"schemas.enable": "false"}
		}
		for key, value := range settings {
			if _, ok := section.Get(key); !ok {
				section.Entries = append(section.Entries, config.Entry{Key: key, Raw: value, Value: value})
			}
		}
	}
	p, ok := connect.Find(l.plugins.Converters, class)
	if !ok {
		e, _ := l.written.Get(what)
		l.add(e.Pos, what, unknownClass(class, "converter", l.plugins.Converters))
		return part{}
	}
	loaded := part{plugin: p, settings: p.Settings()}
	if keys, ok := loaded.settings.(convert.KeySettings); ok && what == "key.converter" {
		keys.ForKeys()
	}
	l.decode(section, loaded.settings, func() error { _, err := p.Converter(loaded.settings); return err })
	return loaded
}

// transform loads the transform that the connector calls name.
func (l *loader) transform(name string) part {
	prefix := "transforms." + name
	section := l.written.Sub(prefix + ".")
	class, ok := section.Get("type")
	if !ok {
		e, _ := l.written.Get("transforms")
		l.add(e.Pos, prefix+".type", "is missing; write one of "+classes(l.plugins.Transforms))
		return part{}
	}
	p, ok := connect.Find(l.plugins.Transforms, class.Value)
	if !ok {
		l.add(class.Pos, prefix+".type", unknownClass(class.Value, "transform", l.plugins.Transforms))
		return part{}
	}
	for _, key := range []string{"predicate", "negate"} {
		if e, ok := section.Get(key); ok {
			l.add(e.Pos, prefix+"."+key, "is not supported yet; remove it, or filter at the source")
		}
	}
	section.Entries = slices.DeleteFunc(section.Entries, func(e config.Entry) bool {
		return e.Key == "type" || e.Key == "predicate" || e.Key == "negate"
	})
	loaded := part{name: name, plugin: p, settings: p.Settings()}
	l.decode(section, loaded.settings, func() error { _, err := p.Transform(loaded.settings); return err })
	return loaded
}

// decode decodes a part's section, and builds the part once to see what its constructor says.
func (l *loader) decode(s *config.Section, settings config.Settings, build func() error) {
	problems := config.Decode(s, settings)
	l.problems = append(l.problems, problems...)
	if problems.Err() != nil {
		return
	}
	if err := build(); err != nil {
		l.problems = append(l.problems, config.Problem{Pos: s.Pos, Path: s.Path, Text: err.Error()})
	}
}

// strayTransforms reports the settings of transforms and predicates that are not in the list.
func (l *loader) strayTransforms(names []string) {
	for _, e := range l.written.Entries {
		if strings.HasPrefix(e.Key, "predicates.") {
			l.add(e.Pos, e.Key, "is not supported yet; remove it, or filter at the source")
			continue
		}
		rest, ok := strings.CutPrefix(e.Key, "transforms.")
		if !ok || slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(rest, n+".") }) {
			continue
		}
		name, _, _ := strings.Cut(rest, ".")
		text := fmt.Sprintf("belongs to the transform %q, which is not in transforms; add it there or remove this key", name)
		if near := config.Nearest(name, names); near != "" {
			text = fmt.Sprintf("belongs to the transform %q, which is not in transforms; did you mean %q?", name, near)
		}
		l.add(e.Pos, e.Key, text)
	}
}

// add reports a problem with key. Without a place of its own it is placed at the connector.
func (l *loader) add(at config.Pos, key, text string) {
	if at == (config.Pos{}) {
		at = l.written.Pos
	}
	l.problems = append(l.problems, config.Problem{Pos: at, Path: l.written.Path + "." + key, Text: text})
}

// unknownClass says that no plugin of the tables goes by class, and which there are.
func unknownClass(class, noun string, tables ...[]connect.Plugin) string {
	var names []string
	for _, t := range tables {
		for _, p := range t {
			names = append(names, p.Names()...)
		}
	}
	if near := config.Nearest(class, names); near != "" {
		return fmt.Sprintf("%q is not a known %s; did you mean %q? (%s)", class, noun, near, classes(tables...))
	}
	return fmt.Sprintf("%q is not a known %s; write one of %s", class, noun, classes(tables...))
}

// classes lists the classes of the tables.
func classes(tables ...[]connect.Plugin) string {
	var names []string
	for _, t := range tables {
		for _, p := range t {
			names = append(names, p.Class)
		}
	}
	return strings.Join(names, ", ")
}
