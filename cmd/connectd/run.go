package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run FILE|DIR…",
		Short: "Run the connectors of files and directories",
		Long: `Runs the connectors of files and directories (*.yaml, *.yml, *.json) until SIGTERM or Ctrl-C, and
then stops within 10 seconds with everything that was acknowledged committed; a second signal
ends at once. A connector with a problem is shown as FAILED and does not disturb the others.

Without bootstrap.servers in the worker section it starts a Kafka broker of its own, for demos,
tests and laptops.`,
		Example: `  connectd run connectors.yaml
  connectd run conf.d/ worker.yaml`,
		Args: paths,
		RunE: func(cmd *cobra.Command, args []string) error {
			l := load(args)
			log := newLog(os.Stderr, l.worker.LogLevel, l.worker.LogFormat)
			l.report(cmd.ErrOrStderr(), log)
			switch {
			case l.workerErr != nil:
				return errShown
			case l.runnable() == 0 && l.problems.Err() != nil:
				return errShown
			case l.runnable() == 0:
				return fmt.Errorf("no connectors in %s; write them under the key connectors", list(args))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			// After the first signal the process dies of the next one, as it does by default.
			context.AfterFunc(ctx, stop)
			return l.run(ctx, cmd.OutOrStdout(), log)
		},
	}
}

// report says what is wrong with the files: a line each, or log records where those are JSON.
func (l *loaded) report(out io.Writer, log *slog.Logger) {
	for _, p := range l.problems {
		switch {
		case l.worker.LogFormat != "json":
			fmt.Fprintln(out, p)
		case p.Warning:
			log.Warn("configuration", "err", p.String())
		default:
			log.Error("configuration", "err", p.String())
		}
	}
}

func newLog(out *os.File, level, format string) *slog.Logger {
	var least slog.Level
	_ = least.UnmarshalText([]byte(level)) // one of the four values that the worker section allows
	options := &slog.HandlerOptions{Level: least}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// list is "a, b and c".
func list(words []string) string {
	n := len(words)
	if n == 1 {
		return words[0]
	}
	return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
}
