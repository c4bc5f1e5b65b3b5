package config

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, where it is, and what to do about it.
type Problem struct {
	Pos  Pos
	Path string // the full key: connectors.orders.snapshot.mode; empty for a problem of the file
	Text string

	Warning bool // worth saying, but the connector runs
}

// String is "file:line:col: path: text", as far as the parts are known, with "warning: " before
// the path of a warning.
func (p Problem) String() string {
	var s strings.Builder
	if p.Pos.File != "" {
		s.WriteString(p.Pos.String() + ": ")
	}
	if p.Warning {
		s.WriteString("warning: ")
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

// Err is all of p that are no warnings as one error, nil when there are none.
func (p Problems) Err() error {
	var wrong Problems
	for i := range p {
		if !p[i].Warning {
			wrong = append(wrong, p[i])
		}
	}
	if wrong == nil {
		return nil // and not an error that holds a nil Problems
	}
	return wrong
}

// Sort puts p in file order.
func (p Problems) Sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
		)
	})
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
