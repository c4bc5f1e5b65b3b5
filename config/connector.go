package config

import (
	"maps"
	"slices"
)

// File is what the files that Load was given say together.
type File struct {
	Worker     *Section // never nil; without entries when no file has a worker section
	Connectors []*Connector
}

// Connector is one connector as written: its section holds connector.class, tasks.max and all
// its other settings.
type Connector struct {
	Name string
	Section
	State State // what it starts as

	// Problems are what Load has found in this connector; they are among Load's own too. One
	// with an error here must not run.
	Problems Problems
}

// State is what a connector is meant to be.
type State string

// The states, in Kafka Connect's words.
const (
	Running State = "RUNNING"
	Paused  State = "PAUSED"
	Stopped State = "STOPPED"
)

// NewConnector is a connector from settings without a file, such as those of a REST request.
// The problems are those of its references.
func NewConnector(name string, settings map[string]string) (*Connector, Problems) {
	c := &Connector{Name: name, Section: Section{Path: join("connectors", name)}, State: Running}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if key == "name" {
			continue
		}
		c.Entries = append(c.Entries, Entry{Key: key, Raw: settings[key]})
	}
	c.Problems = c.resolve()
	return c, c.Problems
}

// Raw is the connector's settings as written, by key, with its name: what REST shows once the
// secrets that are written out in it are covered.
func (c *Connector) Raw() map[string]string {
	m := map[string]string{"name": c.Name}
	for _, e := range c.Entries {
		m[e.Key] = e.Raw
	}
	return m
}
