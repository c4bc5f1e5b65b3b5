package config

import "gopkg.in/yaml.v3"

// envelope reads Kafka Connect's {"name": …, "config": {…}}, as one sends it to its REST API or
// gets it from there.
func (l *loader) envelope(n *yaml.Node) {
	before := len(l.problems)
	top := l.known("", n, "name", "config", "initial_state", "tasks", "type")
	name, ok := l.word(top, "name")
	if !ok {
		return
	}
	settings := l.mapping(top["config"], "config", "the connector's settings")
	if settings == nil {
		return
	}
	c := l.connector(name, top["name"].at)
	if c == nil {
		return
	}
	l.state(c, top, "initial_state", "initial_state")
	l.settle(c, settings)
	l.belong(c, before)
}

// plain reads the flat form that PUT /connectors/{name}/config takes and connect-standalone
// reads, with the name among the settings.
func (l *loader) plain(n *yaml.Node) {
	for _, p := range l.pairs(n) {
		if p.key != "name" {
			continue
		}
		if name, ok := l.word(map[string]pair{"name": p}, "name"); ok {
			c, before := l.connector(name, p.at), len(l.problems)
			l.settle(c, n)
			l.belong(c, before)
		}
		return
	}
	l.problem(l.pos(n), "name", "is missing; write the connector's name")
}
