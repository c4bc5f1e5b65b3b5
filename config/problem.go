package config

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong, where it is, and what to do about it.
type Problem struct {
	Pos  Pos
	Path string // the full key: connectors.orders.snapshot.mode; empty for a problem of the file
	Text string

	Warning bool // worth saying, but the connector runs
}

// String is "file:line:col: path: text", as far as the parts are known.
func (p Problem) String() string {
	var s strings.Builder
	if p.Pos.File != "" {
		fmt.Fprintf(&s, "%s:%d:%d: ", p.Pos.File, p.Pos.Line, p.Pos.Col)
	}
	if p.Path != "" {
		s.WriteString(p.Path + ": ")
	}
	s.WriteString(p.Text)
	return s.String()
}

// Problems are all that is wrong, in file order, warnings among them.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Err is p as an error, nil when there are no problems but warnings.
func (p Problems) Err() error {
	for i := range p {
		if !p[i].Warning {
			return p
		}
	}
	return nil
}

// Settings is a pointer to a struct whose tagged fields are what may be configured. Defaults
// fills in the documented defaults; a field of a kind that Decode does not know is a panic in
// the tests of the package that declares it.
type Settings interface {
	Defaults()
}

// Validator is a Settings that checks what one field's type can not: ranges and combinations.
type Validator interface {
	Validate(r *Report)
}
