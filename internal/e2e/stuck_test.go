package e2e

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"connectd/connect/connector/connectortest"
)

// positions says where each topic ends and how far each sink's group is, for a target that stays
// behind: whether it is the source that sends nothing, or a sink that takes nothing.
func (w *world) positions() string {
	admin := connectortest.Admin(w.t, connectortest.Kafka(w.kafka.Brokers))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var text strings.Builder
	for _, t := range tables {
		ends, err := admin.ListOffsets(ctx, true, fmt.Sprintf("cdc.%s.public.%s", w.prefix, t.Name))
		fmt.Fprintf(&text, "%s ends at %v %v\n", t.Name, ends, errorText(err))
	}
	for _, sink := range []string{"clickhouse", "postgres", "postgres-audit", "s3"} {
		commits, err := admin.GroupOffsets(ctx, "connect-"+w.prefix+"-"+sink)
		fmt.Fprintf(&text, "%s has committed %v %v\n", sink, commits, errorText(err))
	}
	return text.String()
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// dump ends connectd with SIGQUIT and returns what its own goroutines were doing.
func (d *daemon) dump() string {
	if d.cmd == nil {
		return "connectd has ended"
	}
	_ = d.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-d.gone:
		d.cmd = nil
	case <-time.After(30 * time.Second):
		return "connectd does not end"
	}
	_, trace, found := strings.Cut(d.tail(100_000), "SIGQUIT: quit")
	if !found {
		return "no trace in the log"
	}
	var ours strings.Builder
	for goroutine := range strings.SplitSeq(trace, "\n\n") {
		if strings.Contains(goroutine, "\nconnectd/") || strings.Contains(goroutine, "twmb/franz-go") {
			ours.WriteString(goroutine + "\n\n")
		}
	}
	return ours.String()
}
