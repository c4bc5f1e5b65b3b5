package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"connectd/config"

	"github.com/spf13/cobra"
)

// checkTimeout bounds what --connect waits for one connector's database.
const checkTimeout = 15 * time.Second

func validateCommand() *cobra.Command {
	var live bool
	cmd := &cobra.Command{
		Use:   "validate FILE|DIR…",
		Short: "Say everything that is wrong with connector files",
		Long: `Reads connector files and directories (*.yaml, *.yml, *.json) and prints every problem at once,
each with its place, file:line:col, and what to write instead. Warnings are shown and are no
problems. Exits 0 when the connectors can run, 1 when there are problems.

References such as ${env:VAR} and ${file:PATH:KEY} must have their values here too.`,
		Example: `  connectd validate connectors.yaml
  connectd validate conf.d/ worker.yaml
  connectd validate --connect connectors.yaml    ask the databases as well`,
		Args: paths,
		RunE: func(cmd *cobra.Command, args []string) error {
			l := load(args)
			if live {
				l.connect(cmd.Context())
			}
			for _, p := range l.problems {
				cmd.PrintErrln(p)
			}
			switch {
			case l.problems.Err() != nil:
				return errShown
			case len(l.connectors) == 0:
				return fmt.Errorf("no connectors in %s; write them under the key connectors", list(args))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ok: %s\n", count(len(l.connectors), "connector"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&live, "connect", false, "also check the settings against the live databases and stores")
	return cmd
}

// connect lets every connector that is ready check its settings against the live system.
func (l *loaded) connect(ctx context.Context) {
	quiet := slog.New(slog.DiscardHandler)
	for _, c := range l.connectors {
		if c.ready == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		if err := c.ready.Check(ctx, quiet); err != nil {
			l.problems = append(l.problems, config.Problem{Pos: c.written.Pos, Path: c.written.Path, Text: err.Error()})
		}
		cancel()
	}
	l.problems.Sort()
}

// count is n and the noun, in the plural where it is due.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
