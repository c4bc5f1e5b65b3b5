package connector

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"connectd/connect"
	"connectd/connect/deadletter"
	"connectd/convert"
	"connectd/kafka"
)

// The stages of a record's way, by the names that Kafka Connect puts into dead letters.
const (
	StageTransform      = "TRANSFORMATION"
	StageKeyConverter   = "KEY_CONVERTER"
	StageValueConverter = "VALUE_CONVERTER"
	StageHeader         = "HEADER_CONVERTER"
	StagePut            = "TASK_PUT"
	StagePoll           = "TASK_POLL"
)

// Failure says why one record could not be processed.
type Failure struct {
	Stage string
	Class string // of the transform, converter or connector that refused it
	Err   error
}

// Blocked is the error that fails the task when f is no fault of the record, see convert.Blocked;
// nil when it is the record's.
func (f *Failure) Blocked() error {
	var b *convert.Blocked
	switch {
	case !errors.As(f.Err, &b):
		return nil
	case b.Permanent:
		return connect.Permanent(f.Err)
	}
	return f.Err
}

// Policy is what becomes of records that can not be processed: the errors.* settings of one
// connector.
type Policy struct {
	Class       string // of the connector
	TolerateAll bool   // leave them out; otherwise the connector stops
	DeadLetters string // topic; "" for none
	logErrors   bool
	logContent  bool // name the record too
	context     bool // put the cause into the dead letter's headers
}

// Policy is the connector's policy.
func (c *Connector) Policy() Policy {
	return Policy{
		Class:       c.common.Class,
		TolerateAll: c.Tolerance == "all",
		logErrors:   c.LogErrors,
		logContent:  c.LogContent,
		DeadLetters: c.DeadLetters,
		context:     c.Context,
	}
}

// Log tells of a record that is left out. err names the record, f is the bare cause.
func (p *Policy) Log(log *slog.Logger, err error, f *Failure) {
	switch {
	case !p.logErrors:
	case p.logContent:
		log.Error("record left out", "stage", f.Stage, "err", err)
	default:
		log.Error("record left out", "stage", f.Stage, "err", f.Err)
	}
}

// Letter is the dead letter of a record that failed with f. Whose record it is, and what is left of
// it, is in l.
func (p *Policy) Letter(l deadletter.Letter, f *Failure) kafka.Message {
	l.Stage, l.Class = f.Stage, f.Class
	l.Exception, l.Cause, l.Trace = fmt.Sprintf("%T", rootOf(f.Err)), f.Err.Error(), traceOf(f.Err)
	return l.Message(p.DeadLetters, p.context)
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

// Quoted is at most 200 bytes of p, for messages.
func Quoted(p []byte) string {
	if p == nil {
		return "null"
	}
	const most = 200
	if len(p) > most {
		return fmt.Sprintf("%q…", p[:most])
	}
	return fmt.Sprintf("%q", p)
}
