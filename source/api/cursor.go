package api

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"connectd/convert"
	"connectd/record"
)

// mark is where a cursor stands, in a form that compares.
type mark struct {
	kind  kind
	n     int64 // nanoseconds since 1970 of a moment; a whole number
	float float64
	text  string // of a text, and of a number that is neither of the others
}

type kind uint8

const (
	noMark kind = iota
	moment
	whole
	fraction
	words
)

// compare says whether a is before b (negative), at it, or after it. Before everything is noMark.
func (a mark) compare(b mark) int {
	switch {
	case a.kind == b.kind && a.kind == words:
		return cmp.Compare(a.text, b.text)
	case a.kind == b.kind && a.kind != fraction:
		return cmp.Compare(a.n, b.n)
	case a.number() && b.number():
		return cmp.Compare(a.real(), b.real())
	}
	return cmp.Compare(a.kind, b.kind)
}

func (a mark) number() bool { return a.kind == whole || a.kind == fraction }

func (a mark) real() float64 {
	if a.kind == whole {
		return float64(a.n)
	}
	return a.float
}

// form is how cursors are written.
type form struct {
	name   string        // of http.cursor.format; "layout" for a Go layout
	layout string        // of a layout
	unit   time.Duration // of an epoch
}

var epochs = map[string]time.Duration{"epoch_seconds": time.Second, "epoch_millis": time.Millisecond, "epoch_micros": time.Microsecond}

// parseForm reads http.cursor.format.
func parseForm(text string) (form, error) {
	switch name := strings.ToLower(text); name {
	case "auto", "iso", "number", "text":
		return form{name: name}, nil
	case "epoch_seconds", "epoch_millis", "epoch_micros":
		return form{name: name, unit: epochs[name]}, nil
	}
	// A layout has a year in some form; its reference time tells it from a mistyped name.
	if strings.Contains(text, "06") {
		return form{name: "layout", layout: text}, nil
	}
	return form{}, fmt.Errorf("%q is not a cursor format; write auto, iso, epoch_seconds, epoch_millis, epoch_micros, number, text, or a Go layout such as 02.01.2006 15:04", text)
}

// moments says whether f is certainly of times.
func (f form) moments() bool { return f.name == "iso" || f.name == "layout" || f.unit != 0 }

// read is the mark of a cursor: text is what its JSON value says, quoted whether it is a string.
func (f form) read(text []byte, quoted bool) (mark, error) {
	switch f.name {
	case "text":
		return mark{kind: words, text: string(text)}, nil
	case "number":
		return number(text)
	case "iso":
		return iso(text)
	case "layout":
		t, err := time.ParseInLocation(f.layout, string(text), time.UTC)
		if err != nil {
			return mark{}, fmt.Errorf("%q is not of the layout %q", text, f.layout)
		}
		return mark{kind: moment, n: t.UnixNano()}, nil
	case "auto":
		if !quoted {
			return number(text)
		}
		if m, err := iso(text); err == nil {
			return m, nil
		}
		return mark{kind: words, text: string(text)}, nil
	}
	return f.epoch(text)
}

func iso(text []byte) (mark, error) {
	n, err := convert.AsNanos(record.Datum{Value: record.OfString(text)}, 0)
	if err != nil {
		return mark{}, fmt.Errorf("%q is not a timestamp such as 2026-11-21T01:02:03Z", text)
	}
	return mark{kind: moment, n: n}, nil
}

func number(text []byte) (mark, error) {
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return mark{kind: whole, n: n}, nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(f) {
		return mark{}, fmt.Errorf("%q is not a number", text)
	}
	return mark{kind: fraction, float: f}, nil
}

func (f form) epoch(text []byte) (mark, error) {
	m, err := number(text)
	if err != nil {
		return mark{}, err
	}
	perUnit := float64(f.unit)
	if m.kind == whole {
		if m.n > math.MaxInt64/int64(f.unit) || m.n < math.MinInt64/int64(f.unit) {
			return mark{}, fmt.Errorf("%q is beyond the nanoseconds of an int64 as %s; check http.cursor.format", text, f.name)
		}
		return mark{kind: moment, n: m.n * int64(f.unit)}, nil
	}
	return mark{kind: moment, n: int64(m.float * perUnit)}, nil
}

// write is m as f has it. A moment in an epoch is rounded down: a bound may be too early, and
// then some records come again and are known, but not too late.
func (f form) write(m mark) string {
	switch m.kind {
	case whole:
		return strconv.FormatInt(m.n, 10)
	case fraction:
		return strconv.FormatFloat(m.float, 'f', -1, 64)
	case words:
		return m.text
	case moment:
	default:
		return ""
	}
	t := time.Unix(0, m.n).UTC()
	switch {
	case f.name == "layout":
		return t.Format(f.layout)
	case f.unit != 0:
		n := m.n / int64(f.unit)
		if m.n%int64(f.unit) < 0 {
			n--
		}
		return strconv.FormatInt(n, 10)
	}
	return t.Format(time.RFC3339Nano)
}

// lookback is how far before the cursor a pass begins.
type lookback struct {
	time   time.Duration
	number int64
}

func parseLookback(text string) (lookback, error) {
	if text == "" || text == "0" {
		return lookback{}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return lookback{number: n}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return lookback{time: d}, nil
	}
	return lookback{}, fmt.Errorf("%q is not a lookback; write a duration such as 10m for timestamps, or a number for numbers", text)
}

// before is m moved back. A text can not be moved.
func (l lookback) before(m mark) mark {
	switch m.kind {
	case moment:
		m.n -= int64(l.time)
	case whole:
		m.n -= l.number
	case fraction:
		m.float -= float64(l.number)
	}
	return m
}
