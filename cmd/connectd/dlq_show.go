package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"connectd/connect/deadletter"
	"connectd/kafka"

	"github.com/spf13/cobra"
)

func dlqShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show FILE LETTER",
		Short: "Show one dead letter: the record, where it was, and why it failed",
		Long: `Shows the dead letter at a place, as connectd dlq list prints it. The cause and the record may hold
what other commands and logs keep back.`,
		Example: `  connectd dlq show connectors.yaml dead-letters-0@17`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{errors.New("want a file and the place of a letter, such as dead-letters-0@17")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := deadletter.ParsePlace(args[1])
			if err != nil {
				return usageError{err}
			}
			l := load(args[:1])
			if _, err := withLetters(cmd, l); err != nil {
				return err
			}
			admin, err := kafka.NewAdmin(l.kafka)
			if err != nil {
				return err
			}
			defer admin.Close()
			logs, err := admin.ListOffsets(cmd.Context(), true, place.Topic)
			if err != nil {
				return err
			}
			log := logs[place.Partition]
			if place.Offset < log.Start || place.Offset >= log.End {
				return fmt.Errorf("there is no letter %s: %s has the offsets from %d to below %d", place, place.Partition, log.Start, log.End)
			}
			var letter *deadletter.Letter
			err = admin.Read(cmd.Context(), place.Partition, place.Offset, place.Offset+1, func(m *kafka.Message) error {
				found := deadletter.Parse(m)
				letter = &found
				return nil
			})
			switch {
			case err != nil:
				return err
			case letter == nil:
				return fmt.Errorf("there is no letter %s: the offset holds no record", place)
			}
			done, err := deadletter.ReadDone(cmd.Context(), admin, letter.Connector)
			if err != nil {
				return err
			}
			d := done[place.Partition]
			printLetter(cmd.OutOrStdout(), letter, letter.Known() && d.Has(place.Offset))
			return nil
		},
	}
}

func printLetter(out io.Writer, l *deadletter.Letter, replayed bool) {
	line := func(name, text string) {
		fmt.Fprintf(out, "%-10s %s\n", name, strings.ReplaceAll(plain(text), "\n", "\n           "))
	}
	line("letter", l.Place.String()+", written "+clock(l.Written))
	line("record", origin(l))
	line("connector", orDash(l.Connector)+", task "+orDash(l.Task))
	line("stage", orDash(l.Stage))
	line("class", orDash(l.Class))
	line("exception", orDash(l.Exception))
	line("cause", orDash(l.Trace))
	line("replayed", yes(replayed))
	line("key", shown(l.Key))
	line("value", shown(l.Value))
	for _, h := range l.Headers {
		line("header", h.Name+": "+shown(h.Value))
	}
}

// shown is p for a terminal: text as it is, other octets as a hex dump.
func shown(p []byte) string {
	switch {
	case p == nil:
		return "null"
	case utf8.Valid(p) && !strings.ContainsFunc(string(p), unprintable):
		return string(p)
	}
	return fmt.Sprintf("%d octets\n%s", len(p), strings.TrimSuffix(hex.Dump(p), "\n"))
}

// unprintable says whether r could steer a terminal.
func unprintable(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }

// plain is text without what could steer a terminal: messages may quote a record.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// oneLine is text without what would break a table.
func oneLine(text string) string { return orDash(strings.Join(strings.Fields(plain(text)), " ")) }
