package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of "go test -json"; see "go doc test2json" and, for the build's
// events, "go help buildjson".
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Output     string
	Elapsed    float64 // seconds
}

// test names one test; Test "" is the package itself.
type test struct{ Package, Test string }

// counter turns events into counts and into what a person wants to see.
type counter struct {
	out     io.Writer
	require bool // skipped tests are errors

	passed, failed int
	skipped        []test
	running        map[test]bool     // tests that have not ended
	output         map[test][]string // what they said so far
	failedIn       map[string]bool   // packages with a failed test
}

func newCounter(out io.Writer, require bool) *counter {
	return &counter{out: out, require: require,
		running: map[test]bool{}, output: map[test][]string{}, failedIn: map[string]bool{}}
}

// line takes one line of the stream. What is not JSON is shown as it is.
func (c *counter) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil || e.Action == "" {
		c.out.Write(line)
		return
	}
	t := test{e.Package, e.Test}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(c.out, e.Output)
	case e.Action == "output":
		c.output[t] = append(c.output[t], e.Output)
	case e.Test != "":
		c.test(e.Action, t)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		c.pkg(e)
	}
}

func (c *counter) test(action string, t test) {
	switch action {
	case "run":
		c.running[t] = true
		return
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		c.failedIn[t.Package] = true
		c.show(t)
	case "skip":
		c.skipped = append(c.skipped, t)
	default:
		return
	}
	delete(c.running, t)
	delete(c.output, t)
}

// pkg ends a package. Tests that were running when it failed, as after a panic or a
// timeout, count as failed. A package that failed without a test, as when it does not
// compile, counts as one failure.
func (c *counter) pkg(e event) {
	for _, t := range slices.SortedFunc(maps.Keys(c.running), func(a, b test) int { return strings.Compare(a.Test, b.Test) }) {
		if t.Package == e.Package {
			c.test("fail", t)
		}
	}
	if e.Action == "fail" && !c.failedIn[e.Package] {
		c.failed++
	}
	p := test{e.Package, ""}
	if e.Action == "fail" {
		c.show(p)
	} else if e.Action == "pass" {
		fmt.Fprintf(c.out, "ok    %s  %.1f s\n", e.Package, e.Elapsed)
	}
	delete(c.output, p)
}

// show prints what a test said, without the lines that only say that it ran.
func (c *counter) show(t test) {
	for _, s := range c.output[t] {
		if s == "PASS\n" || strings.HasPrefix(s, "=== ") {
			continue
		}
		fmt.Fprint(c.out, s)
	}
}

// done prints the counts and reports whether all is well.
func (c *counter) done() bool {
	if c.require {
		for _, t := range c.skipped {
			fmt.Fprintf(c.out, "skipped, but everything has to run: %s %s\n", t.Package, t.Test)
		}
	}
	fmt.Fprintf(c.out, "%d passed, %d failed, %d skipped\n", c.passed, c.failed, len(c.skipped))
	return c.failed == 0 && (!c.require || len(c.skipped) == 0)
}
