package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"connectd/connect/deadletter"
	"connectd/kafka"
	"connectd/record"

	"github.com/spf13/cobra"
)

func dlqList() *cobra.Command {
	var f letterFilter
	var connector string
	var each bool
	cmd := &cobra.Command{
		Use:   "list FILE…",
		Short: "Count the dead letters of the connectors in files by their causes",
		Long: `Counts the dead letters of all connectors in the files by connector, step and cause. What is
different from record to record (numbers, quoted values) is left out of a cause. REPLAYED are those
that connectd dlq replay has sent back. With --each every letter has a line of its own.`,
		Example: `  connectd dlq list connectors.yaml
  connectd dlq list connectors.yaml --connector orders-to-postgres --each
  connectd dlq list connectors.yaml --topic orders --partition 3 --offsets 1000-2000`,
		Args: paths,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(connector)
			if err != nil {
				return err
			}
			var names []string
			if connector != "" {
				names = []string{connector}
			}
			l := load(args)
			connectors, err := withLetters(cmd, l, names...)
			if err != nil {
				return err
			}
			admin, err := kafka.NewAdmin(l.kafka)
			if err != nil {
				return err
			}
			defer admin.Close()
			topics, err := topicsOf(cmd, admin, connectors)
			if err != nil {
				return err
			}
			done := map[string]map[record.Partition]deadletter.Done{}
			for _, c := range connectors {
				if done[c.Name], err = deadletter.ReadDone(cmd.Context(), admin, c.Name); err != nil {
					return err
				}
			}
			list := letterList{out: cmd.OutOrStdout(), each: each}
			for _, topic := range topics {
				err := deadletter.Each(cmd.Context(), admin, topic, func(l *deadletter.Letter) error {
					if filter.Takes(l) {
						d := done[l.Connector][l.Place.Partition]
						list.add(l, l.Known() && d.Has(l.Place.Offset))
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return list.end()
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&connector, "connector", "", "only letters of this connector")
	cmd.Flags().BoolVar(&each, "each", false, "a line for each letter")
	return cmd
}

// letterList prints letters, or counts them by their causes.
type letterList struct {
	out    io.Writer
	each   bool
	table  *tabwriter.Writer
	groups deadletter.Groups
	n      int
}

func (l *letterList) add(letter *deadletter.Letter, replayed bool) {
	l.n++
	if !l.each {
		l.groups.Add(letter, replayed)
		return
	}
	if l.table == nil {
		l.table = tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(l.table, "LETTER\tWRITTEN\tCONNECTOR\tRECORD\tSTAGE\tREPLAYED\tCAUSE")
	}
	fmt.Fprintf(l.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", letter.Place, clock(letter.Written), orDash(letter.Connector),
		origin(letter), orDash(letter.Stage), yes(replayed), oneLine(letter.Cause))
}

func (l *letterList) end() error {
	if l.n == 0 {
		fmt.Fprintln(l.out, "no dead letters")
		return nil
	}
	if l.each {
		return l.table.Flush()
	}
	table := tabwriter.NewWriter(l.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CONNECTOR\tSTAGE\tLETTERS\tREPLAYED\tNEWEST\tLETTER\tCAUSE")
	for _, g := range l.groups.List {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", orDash(g.Connector), orDash(g.Stage), g.Letters, g.Replayed, clock(g.Until), g.Last, oneLine(g.Cause))
	}
	return table.Flush()
}

func clock(t time.Time) string { return t.Format(time.DateTime) }

func orDash(s string) string { return cmp.Or(s, "-") }

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// origin is where a letter's record was: a source's has a topic at most.
func origin(l *deadletter.Letter) string {
	if l.Known() {
		return l.Origin.String()
	}
	return orDash(l.Origin.Topic)
}
