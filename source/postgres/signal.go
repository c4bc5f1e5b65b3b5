package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// signal asks for something beside the stream, in Debezium's form.
type signal struct {
	id      string
	kind    string // execute-snapshot, stop-snapshot, …
	data    json.RawMessage
	channel string // where it came from
}

// The types of signals.
const (
	executeSnapshot = "execute-snapshot"
	stopSnapshot    = "stop-snapshot"
	pauseSnapshot   = "pause-snapshot"
	resumeSnapshot  = "resume-snapshot"
	logMessage      = "log"
	windowOpen      = "snapshot-window-open" // a watermark, Debezium's or ours
	windowClose     = "snapshot-window-close"
)

// parseSignal reads {"id":…,"type":…,"data":{…}}, the form of signals in files and in Kafka.
func parseSignal(text []byte, channel string) (signal, error) {
	var s struct {
		ID   string          `json:"id"`
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return signal{channel: channel}, fmt.Errorf(`it is not a JSON object such as {"type":"execute-snapshot","data":{"data-collections":["public.orders"]}}: %w`, err)
	}
	if s.Type == "" {
		return signal{channel: channel, id: s.ID}, errNoType
	}
	return signal{id: s.ID, kind: s.Type, data: s.Data, channel: channel}, nil
}

// collections is the data of the signals that are about tables.
type collections struct {
	Tables     []string    `json:"data-collections"` // regular expressions
	Type       string      `json:"type"`             // incremental or blocking
	Conditions []condition `json:"additional-conditions"`
	Condition  string      `json:"additional-condition"` // Debezium's older form, for all tables
	Surrogate  string      `json:"surrogate-key"`
}

// condition restricts the rows of the tables that match: an expression for an incremental
// snapshot, a whole SELECT for a blocking one.
type condition struct {
	Table  string `json:"data-collection"`
	Filter string `json:"filter"`
}

// collections reads the signal's data.
func (s *signal) collections() (collections, error) {
	var c collections
	if err := s.decode(&c); err != nil {
		return c, err
	}
	switch c.Type = strings.ToLower(strings.TrimSpace(c.Type)); c.Type {
	case "":
		c.Type = "incremental"
	case "incremental", "blocking":
	default:
		return c, fmt.Errorf("its type %q is not a kind of snapshot; write incremental or blocking", c.Type)
	}
	if _, err := newPatterns(c.Tables); err != nil {
		return c, fmt.Errorf("data-collections: %w", err)
	}
	for _, k := range c.Conditions {
		if _, err := newPattern(k.Table); err != nil {
			return c, fmt.Errorf("additional-conditions: %w", err)
		}
	}
	return c, nil
}

// decode reads the data into v. Data that is itself a JSON string holds the object as text.
func (s *signal) decode(v any) error {
	data := bytes.TrimSpace(s.data)
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err == nil {
			data = []byte(text)
		}
	}
	if len(data) == 0 || string(data) == "null" {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("its data is not a JSON object such as {\"data-collections\":[\"public.orders\"]}: %w", err)
	}
	return nil
}

// filter is the condition of the table called full, "" for none.
func (c *collections) filter(full string) string {
	for _, k := range c.Conditions {
		if p, err := newPattern(k.Table); err == nil && p.MatchString(full) {
			return strings.TrimSpace(k.Filter)
		}
	}
	return strings.TrimSpace(c.Condition)
}

// errNoType says that a signal does not say what it wants.
var errNoType = errors.New(`"type" is missing; write execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot or log`)

// errNoTables says that a signal names none.
var errNoTables = errors.New(`it names no tables; write {"data-collections":["schema.table"]}`)
