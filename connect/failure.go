package connect

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"connectd/connect/deadletter"
	"connectd/convert"
	"connectd/kafka"
)

// The stages of a record's way, by the names that Kafka Connect puts into dead letters.
const (
	stageTransform      = "TRANSFORMATION"
	stageKeyConverter   = "KEY_CONVERTER"
	stageValueConverter = "VALUE_CONVERTER"
	stageHeader         = "HEADER_CONVERTER"
	stagePut            = "TASK_PUT"
	stagePoll           = "TASK_POLL"
)

// failure says why one record could not be processed.
type failure struct {
	stage string
	class string // of the transform, converter or connector that refused it
	err   error
}

// blocked is the error that fails the task when f is no fault of the record, see convert.Blocked;
// nil when it is the record's.
func (f *failure) blocked() error {
	var b *convert.Blocked
	switch {
	case !errors.As(f.err, &b):
		return nil
	case b.Permanent:
		return Permanent(f.err)
	}
	return f.err
}

// policy is what becomes of records that can not be processed: the errors.* settings of one
// connector.
type policy struct {
	class       string // of the connector
	tolerateAll bool
	logErrors   bool
	logContent  bool // name the record too
	deadLetters string
	context     bool // put the cause into the dead letter's headers
}

// newPolicy is the connector's policy.
func (c *Connector) newPolicy() policy {
	return policy{
		class:       c.common.Class,
		tolerateAll: c.Tolerance == "all",
		logErrors:   c.LogErrors,
		logContent:  c.LogContent,
		deadLetters: c.DeadLetters,
		context:     c.Context,
	}
}

// log tells of a record that is left out. err names the record, f is the bare cause.
func (p *policy) log(log *slog.Logger, err error, f *failure) {
	switch {
	case !p.logErrors:
	case p.logContent:
		log.Error("record left out", "stage", f.stage, "err", err)
	default:
		log.Error("record left out", "stage", f.stage, "err", f.err)
	}
}

// letter is the dead letter of a record that failed with f. Whose record it is, and what is left of
// it, is in l.
func (p *policy) letter(l deadletter.Letter, f *failure) kafka.Message {
	l.Stage, l.Class = f.stage, f.class
	l.Exception, l.Cause, l.Trace = fmt.Sprintf("%T", rootOf(f.err)), f.err.Error(), traceOf(f.err)
	return l.Message(p.deadLetters, p.context)
}

// rootOf is the innermost error of err.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// traceOf is err and each error inside it, one a line: what a Java stack trace tells its reader.
func traceOf(err error) string {
	var s strings.Builder
	s.WriteString(err.Error())
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		s.WriteString("\ncaused by: " + inner.Error())
	}
	return s.String()
}

// quoted is at most 200 bytes of p, for messages.
func quoted(p []byte) string {
	if p == nil {
		return "null"
	}
	const most = 200
	if len(p) > most {
		return fmt.Sprintf("%q…", p[:most])
	}
	return fmt.Sprintf("%q", p)
}
