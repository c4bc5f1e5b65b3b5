package config

import (
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// document reads one document, whose keys say which form it has.
func (l *loader) document(n *yaml.Node) {
	at := l.pos(n)
	if n = l.spend(n); n == nil || n.Tag == "!!null" {
		return // nothing between two ---
	}
	if n.Kind != yaml.MappingNode {
		l.problem(at, "", "is a "+shape(n)+"; "+forms)
		return
	}
	keys := map[string]*yaml.Node{}
	for _, p := range l.pairs(n) {
		keys[p.key] = p.value
	}
	switch {
	case keys["apiVersion"] != nil || keys["kind"] != nil:
		l.strimzi(n)
	case keys["connectors"] != nil || keys["worker"] != nil:
		l.own(n)
	case keys["name"] != nil && keys["config"] != nil:
		l.envelope(n)
	case keys["connector.class"] != nil:
		l.plain(n)
	case keys["config"] != nil:
		l.problem(at, "name", "is missing; write the connector's name beside config")
	default:
		l.unknown(at, n)
	}
}

// forms says what a file may be.
const forms = "write worker: and connectors:, a Strimzi KafkaConnector, or Kafka Connect's JSON " +
	`({"name": …, "config": {…}})`

// unknown reports a document of no form, by its first key that looks like a misspelled one.
func (l *loader) unknown(at Pos, n *yaml.Node) {
	for _, p := range l.pairs(n) {
		if near := Nearest(p.key, []string{"connectors", "worker", "apiVersion", "config"}); near != "" {
			l.problem(p.at, p.key, "is not a known key; did you mean "+near+"?")
			return
		}
	}
	l.problem(at, "", "is not a connector file; "+forms)
}

// own reads our own form.
func (l *loader) own(n *yaml.Node) {
	top := l.known("", n, "worker", "connectors")
	if p, ok := top["worker"]; ok {
		if value := l.mapping(p, "worker", "the worker's settings"); value != nil {
			if l.file.Worker.Pos == (Pos{}) {
				l.file.Worker.Pos = p.at
			}
			l.flatten(l.file.Worker, "", value, false)
		}
	}
	p, ok := top["connectors"]
	if !ok {
		return
	}
	value := l.mapping(p, "connectors", "one key for each connector's name")
	if value == nil {
		return
	}
	for _, p := range l.pairs(value) {
		path := join("connectors", p.key)
		if first, twice := l.names[p.key]; twice && p.merged && first.File == l.name {
			continue
		}
		if settings := l.mapping(p, path, "the connector's settings"); settings != nil {
			c, before := l.connector(p.key, p.at), len(l.problems)
			l.settle(c, settings)
			l.belong(c, before)
		}
	}
}

// connector is a new connector, nil when the name can not be used.
func (l *loader) connector(name string, at Pos) *Connector {
	path := join("connectors", name)
	if name == "" || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name {
		l.problem(at, "connectors", strconv.Quote(name)+" is not a connector's name; write one without white space at its ends and without control characters")
		return nil
	}
	if first, twice := l.names[name]; twice {
		l.problem(at, path, "is defined twice, first at "+place(first, at)+"; give one of them another name")
		return nil
	}
	l.names[name] = at
	c := &Connector{Name: name, Section: Section{Path: path, Pos: at}, State: Running}
	l.file.Connectors = append(l.file.Connectors, c)
	return c
}

// settle reads the settings of c, among which its name and its initial state may be repeated.
func (l *loader) settle(c *Connector, settings *yaml.Node) {
	if c == nil {
		return
	}
	l.flatten(&c.Section, "", settings, false)
	kept := c.Entries[:0]
	for _, e := range c.Entries {
		switch {
		case e.Key == "name" && e.Raw != c.Name:
			l.problem(e.Pos, join(c.Path, "name"), "differs from the connector's name "+c.Name+"; remove it")
		case e.Key == "name":
		case e.Key == "initial_state":
			l.setState(c, e.Raw, e.Pos, join(c.Path, "initial_state"))
		default:
			kept = append(kept, e)
		}
	}
	c.Entries = kept
}

// state reads the state that c starts in.
func (l *loader) state(c *Connector, fields map[string]pair, field, path string) {
	if text, ok := l.word(fields, field); ok {
		l.setState(c, text, fields[field].at, path)
	}
}

func (l *loader) setState(c *Connector, text string, at Pos, path string) {
	switch s := State(strings.ToUpper(text)); s {
	case Running, Paused, Stopped:
		c.State = s
	default:
		l.problem(at, path, about(Entry{Raw: text, Value: text}, "is not a state; write one of running, paused, stopped"))
	}
}

// belong notes the problems found since before as those of c, which may be nil.
func (l *loader) belong(c *Connector, before int) {
	if c == nil {
		return
	}
	c.Problems = append(c.Problems, l.problems[before:]...)
}

// mapping is the value of p, nil and a problem when it is not a mapping. want says what belongs
// there. A p that is not in the file gives nil and no problem.
func (l *loader) mapping(p pair, path, want string) *yaml.Node {
	if p.value == nil {
		return nil
	}
	n := l.spend(p.value)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		is := "is a " + shape(n)
		if n.Tag == "!!null" {
			is = "is empty"
		}
		l.problem(p.at, path, is+"; write a mapping with "+want)
		return nil
	}
	return n
}

// word is the plain value of a field of the form; ok is false when it is not there or no such
// value, which is then a problem.
func (l *loader) word(fields map[string]pair, field string) (text string, ok bool) {
	p, ok := fields[field]
	if !ok {
		return "", false
	}
	n := l.spend(p.value)
	if n == nil {
		return "", false
	}
	if n.Kind == yaml.SequenceNode {
		l.problem(p.at, field, "is a list; write a plain value")
		return "", false
	}
	return l.text(field, p.at, n)
}

func (l *loader) warn(at Pos, path, text string) {
	l.problems = append(l.problems, Problem{Pos: at, Path: path, Text: text, Warning: true})
}
