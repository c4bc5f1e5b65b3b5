package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"connectd/connect"
	"connectd/connect/connector"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "doctor FILE|DIR…",
		Short: "Look at the databases before the first start, and print the SQL that mends what is wrong",
		Long: `Connects to what the connectors of the files read and write, changes nothing, and prints what is
good and what is not: of a PostgreSQL source wal_level, free slots and senders, the role's rights,
the publication, replica identities, slots that keep WAL for nobody, and limits. Below a finding
stands what mends it, to be run by somebody who may. Exits 1 when there is a problem, which is
something that keeps a connector from starting or makes it leave something out.`,
		Example: `  connectd doctor connectors.yaml
  connectd doctor --connector shop-cdc conf.d/`,
		Args: paths,
		RunE: func(cmd *cobra.Command, args []string) error {
			l := load(args)
			for _, p := range l.problems {
				cmd.PrintErrln(p)
			}
			chosen, err := l.choose(names)
			if err != nil {
				return err
			}
			well := l.problems.Err() == nil
			for _, c := range chosen {
				well = examine(cmd.Context(), cmd.OutOrStdout(), c) && well
			}
			if !well {
				return errShown
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&names, "connector", nil, "look at this connector only; may be given more than once")
	return cmd
}

// choose are the connectors called names, all when there are no names. Those whose settings were
// refused are left out: their problems say why.
func (l *loaded) choose(names []string) ([]*connector.Connector, error) {
	var known []string
	var chosen []*connector.Connector
	for _, c := range l.connectors {
		known = append(known, c.written.Name)
		if c.ready != nil && (len(names) == 0 || slices.Contains(names, c.written.Name)) {
			chosen = append(chosen, c.ready)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no connector %q in the files; those that there are: %s", name, strings.Join(known, ", "))
		}
	}
	if len(known) == 0 {
		return nil, errors.New("no connectors in the files; write them under the key connectors")
	}
	return chosen, nil
}

// examine prints what is found of one connector, and says whether it has no problem.
func examine(ctx context.Context, out io.Writer, c *connector.Connector) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err := c.Examine(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		found = append(found, connect.Finding{Grade: connect.Problem, Text: err.Error()})
	}
	fmt.Fprintln(out, c.Name)
	of := map[connect.Grade]int{}
	for _, f := range found {
		of[f.Grade]++
		fmt.Fprintln(out, " ", strings.ReplaceAll(f.String(), "\n", "\n  "))
	}
	var counts []string
	for _, g := range []connect.Grade{connect.Problem, connect.Warning, connect.Note} {
		if of[g] > 0 {
			counts = append(counts, count(of[g], string(g)))
		}
	}
	if len(counts) == 0 {
		counts = append(counts, "all is well")
	}
	fmt.Fprintf(out, "%s: %s\n", c.Name, strings.Join(counts, ", "))
	return of[connect.Problem] == 0
}
