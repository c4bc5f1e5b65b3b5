package connect

import (
	"context"
	"fmt"
)

// Checker is a Source or Sink that can check its settings against the live system, before the
// first task starts and for `connectd validate --connect`; or a converter that can, for the latter.
type Checker interface {
	Check(ctx context.Context) error
}

// Finding is one thing that an examination of a live system has found.
type Finding struct {
	Grade Grade
	Text  string   // one sentence
	Mend  []string // what to run there to mend it, such as SQL statements; none when that is not it
}

// String is the finding on a line, and what mends it on lines of their own.
func (f Finding) String() string {
	text := fmt.Sprintf("%-8s %s", f.Grade, f.Text)
	for _, m := range f.Mend {
		text += fmt.Sprintf("\n%8s %s;", "", m)
	}
	return text
}

// Grade says how bad a finding is.
type Grade string

// The grades.
const (
	Good    Grade = "ok"      // as it should be
	Note    Grade = "note"    // good to know
	Warning Grade = "warning" // works, and will hurt some day
	Problem Grade = "problem" // the connector does not start, or leaves something out
)

// Examiner is a Source or Sink that can tell more of the live system than whether it would start,
// for `connectd doctor`. An error is one that ended the examination early.
type Examiner interface {
	Examine(ctx context.Context) ([]Finding, error)
}
