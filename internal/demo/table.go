package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// show draws the table of connectors again and again until ctx is done: in place on a terminal,
// every fifth time elsewhere.
func show(ctx context.Context, d *daemon) error {
	every := time.NewTicker(refresh)
	defer every.Stop()
	terminal := isTerminal(os.Stdout)
	var drawn int // lines of the last table
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		list, err := d.connectors()
		if err != nil {
			return fmt.Errorf("ask connectd for its connectors: %w; its log is %s", err, d.log)
		}
		if !terminal && n%5 != 0 {
			continue
		}
		text := format(list)
		if terminal && drawn > 0 {
			fmt.Printf("\x1b[%dA\x1b[J", drawn) // up to where the last table began
		}
		drawn = strings.Count(text, "\n")
		fmt.Print(text)
	}
}

func format(list []connector) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "CONNECTOR\tSTATE\tROWS IN\tROWS OUT\tLAG\tP95")
	for _, c := range list {
		state := c.State
		if c.Phase != "" {
			state += " (" + c.Phase + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", c.Name, state, c.RecordsIn, c.RecordsOut, number(c.Lag), latency(c.P95))
		for _, t := range c.Tasks {
			if t.Phase == "snapshot" {
				fmt.Fprintf(w, "  %s\t\t\t\t\t\n", t.Detail)
			}
		}
		if c.Cause != "" {
			fmt.Fprintf(w, "  %s\t\t\t\t\t\n", c.Cause)
		}
	}
	_ = w.Flush() // into memory
	return b.String()
}

// number is n, or a dash when it is not known.
func number(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func latency(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Microsecond).String()
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
