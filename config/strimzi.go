package config

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// strimzi reads a KafkaConnector of Strimzi, and passes over its other resources.
// See https://strimzi.io/docs/operators/latest/configuring#type-KafkaConnector-reference.
func (l *loader) strimzi(n *yaml.Node) {
	top := l.known("", n)
	kind, _ := l.word(top, "kind")
	version, _ := l.word(top, "apiVersion")
	at := l.pos(n)
	switch {
	case kind == "":
		l.absent(top, at, "kind", "write KafkaConnector")
		return
	case kind != "KafkaConnector":
		l.warn(top["kind"].at, "kind", kind+" is passed over; only KafkaConnector is read here")
		return
	case !strings.HasPrefix(version, "kafka.strimzi.io/"):
		l.problem(top["apiVersion"].or(at), "apiVersion", "is not Strimzi's; write kafka.strimzi.io/v1beta2")
		return
	}
	metadata := l.mapping(top["metadata"], "metadata", "metadata.name")
	spec := l.mapping(top["spec"], "spec", "spec.class and spec.config")
	if metadata == nil || spec == nil {
		l.absent(top, at, "metadata", "metadata.name is the connector's name")
		l.absent(top, at, "spec", "spec.class and spec.config are the connector's settings")
		return
	}
	meta := l.known("metadata", metadata)
	name, ok := l.word(meta, "name")
	if !ok {
		l.problem(top["metadata"].at, "metadata.name", "is missing; write the connector's name")
		return
	}
	c := l.connector(name, meta["name"].at)
	if c == nil {
		return
	}
	before := len(l.problems)
	l.spec(c, l.known("spec", spec, "class", "tasksMax", "config", "pause", "state", "autoRestart", "version", "listOffsets", "alterOffsets"))
	l.belong(c, before)
}

// spec reads the spec of a KafkaConnector into c.
func (l *loader) spec(c *Connector, spec map[string]pair) {
	for _, s := range []struct{ field, key string }{{"class", "connector.class"}, {"tasksMax", "tasks.max"}} {
		if text, ok := l.word(spec, s.field); ok {
			l.add(&c.Section, Entry{Key: s.key, Raw: text, Pos: spec[s.field].at}, false)
		}
	}
	if p, ok := spec["config"]; ok {
		if settings := l.mapping(p, "spec.config", "the connector's settings"); settings != nil {
			l.flatten(&c.Section, "", settings, false)
		}
	}
	if text, ok := l.word(spec, "pause"); ok {
		switch text {
		case "true":
			c.State = Paused
		case "false":
		default:
			l.problem(spec["pause"].at, "spec.pause", "is neither true nor false; write one of them")
		}
	}
	l.state(c, spec, "state", "spec.state")
	for _, ignored := range []struct{ field, why string }{
		{"autoRestart", "a failed task always restarts by itself, unless its error can not heal"},
		{"version", "there is one version of each connector, that of this program"},
		{"listOffsets", "it is a request to Strimzi's operator"},
		{"alterOffsets", "it is a request to Strimzi's operator"},
	} {
		if p, ok := spec[ignored.field]; ok {
			l.warn(p.at, "spec."+ignored.field, "has no effect here: "+ignored.why+"; remove it")
		}
	}
}

// absent reports that a field of the form is not there.
func (l *loader) absent(fields map[string]pair, at Pos, field, why string) {
	if _, ok := fields[field]; !ok {
		l.problem(at, field, "is missing; "+why)
	}
}

// or is p's place, or at when p is not in the file.
func (p pair) or(at Pos) Pos {
	if p.value == nil {
		return at
	}
	return p.at
}
