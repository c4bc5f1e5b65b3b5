package main

import (
	"errors"
	"slices"

	"connectd/config"
	"connectd/connect/connector"
	"connectd/kafka"
)

// loaded is what the files say, decoded and checked.
type loaded struct {
	worker  config.Worker
	runtime connector.WorkerSettings
	kafka   kafka.Settings

	connectors []loadedConnector
	problems   config.Problems // all, in file order
	workerErr  error           // the worker section's errors: nothing can run with them
}

// loadedConnector is one connector of the files: ready to run, or refused with the cause.
type loadedConnector struct {
	written *config.Connector
	ready   *connector.Connector // nil when refused
	refused error
}

// load reads the files and directories of the command line.
func load(paths []string) *loaded {
	file, problems := config.Load(paths)
	l := &loaded{problems: problems}
	l.decodeWorker(file.Worker)
	for _, written := range file.Connectors {
		ready, problems := connector.Load(inherit(written, file.Worker), &l.runtime, plugins)
		for _, client := range clients {
			problems = append(problems, l.checkClient(written.Sub(client+"override."))...)
		}
		l.problems = append(l.problems, problems...)
		c := loadedConnector{written: written, ready: ready}
		if c.refused = slices.Concat(written.Problems, problems).Err(); c.refused != nil {
			c.ready = nil
		}
		l.connectors = append(l.connectors, c)
	}
	l.problems.Sort()
	return l
}

// decodeWorker decodes the worker section, which belongs to the process, the runtime and the
// Kafka clients together.
func (l *loaded) decodeWorker(s *config.Section) {
	problems := config.Decode(s, &l.worker, &l.runtime, &l.kafka)
	for _, client := range clients {
		problems = append(problems, l.checkClient(s.Sub(client))...)
	}
	l.problems = append(l.problems, problems...)
	l.workerErr = problems.Err()
}

// clients are the prefixes of the properties that are for one kind of Kafka client only.
var clients = []string{"producer.", "consumer.", "admin."}

// checkClient reports the properties of a Kafka client that are not known or wrong.
func (l *loaded) checkClient(s *config.Section) config.Problems {
	properties := map[string]string{}
	for _, e := range s.Entries {
		properties[e.Key] = e.Value
	}
	_, err := l.kafka.With(properties)
	var problems config.Problems
	if err == nil || !errors.As(err, &problems) {
		return nil
	}
	for i := range problems {
		p := &problems[i]
		p.Pos = s.Pos
		if e, ok := s.Get(p.Path); ok {
			p.Pos = e.Pos
		}
		p.Path = s.Path + "." + p.Path
	}
	return problems
}

// inherit is c with the worker's producer.*, consumer.* and admin.* as its producer.override.*
// and so on, where it has none of its own. c stays as it is written.
func inherit(c *config.Connector, worker *config.Section) *config.Connector {
	heir := *c
	for _, client := range clients {
		for _, e := range worker.Sub(client).Entries {
			e.Key = client + "override." + e.Key
			if _, ok := c.Get(e.Key); !ok {
				heir.Entries = append(slices.Clip(heir.Entries), e)
			}
		}
	}
	return &heir
}

// runnable is the number of connectors that can run.
func (l *loaded) runnable() int {
	n := 0
	for _, c := range l.connectors {
		if c.ready != nil {
			n++
		}
	}
	return n
}
