package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"connectd/connect/deadletter"
	"connectd/kafka"

	"github.com/spf13/cobra"
)

func dlqReplay() *cobra.Command {
	var f letterFilter
	var dry bool
	cmd := &cobra.Command{
		Use:   "replay FILE CONNECTOR",
		Short: "Send the records of a sink's dead letters back to their topics, after a fix",
		Long: `Writes the records of a sink connector's dead letters to the topics and partitions that they come
from, with key, value and their own headers, so that the connector reads them again. The letters stay
where they are; each is sent once, which the group connectd-dlq-CONNECTOR notes. After a crash some
may be sent again.

Other readers of the topic see the record once more, too, and it comes after records of its key that
were written since: read docs/dead-letters.md first.`,
		Example: `  connectd dlq replay connectors.yaml orders-to-postgres --dry-run
  connectd dlq replay connectors.yaml orders-to-postgres --topic orders --offsets 1000-2000
  connectd dlq replay connectors.yaml orders-to-postgres --cause 'numeric.*overflow'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{errors.New("want a file and the name of a connector in it")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := f.filter(args[1])
			if err != nil {
				return err
			}
			l := load(args[:1])
			connectors, err := withLetters(cmd, l, args[1])
			if err != nil {
				return err
			}
			c := connectors[0]
			admin, err := kafka.NewAdmin(l.kafka)
			if err != nil {
				return err
			}
			defer admin.Close()
			topics, err := topicsOf(cmd, admin, connectors)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			r := deadletter.Replay{Admin: admin, Connector: c.Name, Filter: filter}
			if dry {
				r.Each = func(l *deadletter.Letter) {
					fmt.Fprintf(out, "%s goes to %s again, from %s\n", l.Place, l.Origin.Partition, l.Origin)
				}
			} else {
				k, err := l.kafka.With(c.Producer)
				if err != nil {
					return err
				}
				if r.Producer, err = kafka.NewProducer(k, slog.New(slog.DiscardHandler)); err != nil {
					return err
				}
				defer r.Producer.Close()
			}
			var n deadletter.Counts
			for _, topic := range topics {
				if err := r.Topic(cmd.Context(), topic, &n); err != nil {
					return err
				}
			}
			printReplay(out, n, dry)
			return nil
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say which letters would be sent, and send none")
	return cmd
}

func printReplay(out io.Writer, n deadletter.Counts, dry bool) {
	did := "sent"
	if dry {
		did = "would be sent"
	}
	fmt.Fprintf(out, "%d %s, %d sent before\n", n.Sent, did, n.Before)
	if n.Unplaced > 0 {
		fmt.Fprintf(out, "%d have no place of origin and can not be sent: a source's, or without the headers of errors.deadletterqueue.context.headers.enable\n", n.Unplaced)
	}
}
