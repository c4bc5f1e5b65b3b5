package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/sourcetask"
	"connectd/kafka"

	"github.com/spf13/cobra"
)

func migrateCommand() *cobra.Command {
	var m migration
	cmd := &cobra.Command{
		Use:   "migrate FILE CONNECTOR",
		Short: "Take a connector over from Kafka Connect without a new snapshot, or give it back",
		Long: `Lets a PostgreSQL connector of connectd go on exactly where Debezium has stopped: it reads the
position that Kafka Connect has stored, compares it with the replication slot, and stores it for
connectd. With --back it does the same the other way round. Slot and publication stay as they are.

It says what it would do, and changes nothing; with --apply it does it. It refuses when changes
would be left out: a slot that is missing or lost, or that is ahead of the position.`,
		Example: `  connectd migrate connectors.yaml shop-cdc --connect http://connect:8083
  connectd migrate connectors.yaml shop-cdc --connect http://connect:8083 --apply
  connectd migrate connectors.yaml shop-cdc --offsets-topic debezium-offsets --name shop
  connectd migrate connectors.yaml shop-cdc --connect http://connect:8083 --back --apply`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{errors.New("want a file and the name of a connector in it")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l := load(args[:1])
			for _, p := range l.problems {
				cmd.PrintErrln(p)
			}
			chosen, err := l.choose(args[1:])
			if err != nil {
				return err
			}
			if len(chosen) == 0 || l.workerErr != nil {
				return errShown
			}
			m.out = cmd.OutOrStdout()
			if err := m.prepare(l, chosen[0]); err != nil {
				return err
			}
			return m.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&m.connect.url, "connect", "", "URL of Kafka Connect's REST API (3.6 or newer); the connector is stopped there with --apply")
	cmd.Flags().StringVar(&m.topic, "offsets-topic", "", "Kafka Connect's offsets topic, when there is no REST API to ask (default: the worker's offset.storage.topic)")
	cmd.Flags().StringVar(&m.connect.name, "name", "", "what the connector is called in Kafka Connect (default: as here)")
	cmd.Flags().BoolVar(&m.back, "back", false, "give the position back to Kafka Connect")
	cmd.Flags().BoolVar(&m.apply, "apply", false, "do it; without it nothing is changed")
	return cmd
}

// migration moves a connector's position from one program to the other.
type migration struct {
	out     io.Writer
	connect kafkaConnect // without a url: only its offsets topic
	topic   string       // that one
	back    bool
	apply   bool

	connector *connector.Connector
	mover     connect.Mover
	kafka     kafka.Settings
	ours      string // our offsets topic
	log       *slog.Logger
}

func (m *migration) prepare(l *loaded, c *connector.Connector) error {
	m.log = slog.New(slog.DiscardHandler)
	m.connector = c
	if len(l.kafka.Brokers) == 0 {
		return errors.New("the worker section has no bootstrap.servers; write those of the Kafka cluster that the offsets are in")
	}
	mover, ok, err := c.Mover(m.log)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("connector %q is of class %s; only postgres-source is taken over, and sinks go on by themselves when their group id stays", c.Name, c.Class)
	}
	m.mover = mover
	if m.kafka, err = l.kafka.With(c.Producer); err != nil {
		return err
	}
	m.ours = c.OffsetsTopic(&l.runtime)
	if m.topic == "" {
		m.topic = m.ours
	}
	m.connect.url = strings.TrimRight(m.connect.url, "/")
	if m.connect.name == "" {
		m.connect.name = c.Name
	}
	return nil
}

// run says what is to be done, and does it if it may.
func (m *migration) run(ctx context.Context) error {
	state := ""
	if m.connect.url != "" {
		var err error
		if state, err = m.connect.state(ctx); err != nil {
			return err
		}
	}
	move, err := m.plan(ctx)
	if err != nil {
		return err
	}
	stop := m.connect.url != "" && state != "STOPPED"
	m.print(move, stop)
	if !m.apply {
		fmt.Fprintln(m.out, "\nNothing was changed. Run it again with --apply to do this.")
		return nil
	}
	if stop {
		if err := m.connect.stop(ctx); err != nil {
			return err
		}
		fmt.Fprintf(m.out, "\nstopped %s\n", m.connect.where())
		// It may have gone on until now.
		if move, err = m.plan(ctx); err != nil {
			return err
		}
	}
	if move.Busy != "" {
		return fmt.Errorf("%s; stop that reader first", move.Busy)
	}
	if err := m.write(ctx, move.Offset); err != nil {
		return err
	}
	fmt.Fprintf(m.out, "\nstored %s\nDone. %s\n", move.Offset, m.next())
	return nil
}

// plan reads the offset of the one and makes the other's.
func (m *migration) plan(ctx context.Context) (connect.Move, error) {
	partition := m.mover.Partition()
	ours, err := sourcetask.ReadOffset(ctx, m.kafka, m.ours, m.connector.Name, partition, m.log)
	if err != nil {
		return connect.Move{}, err
	}
	theirs, err := m.theirs(ctx)
	if err != nil {
		return connect.Move{}, err
	}
	from, other := theirs, ours
	if m.back {
		from, other = ours, theirs
	}
	fmt.Fprintf(m.out, "position found   %s\n", nothing(from))
	var move connect.Move
	if m.back {
		move, err = m.mover.GiveBack(ctx, from)
	} else {
		move, err = m.mover.TakeOver(ctx, from)
	}
	if err == nil && other != nil && !m.same() && !bytes.Equal(other, move.Offset) {
		move.Note("it replaces the position that is there: %s", other)
	}
	return move, err
}

// theirs is the offset that Kafka Connect has.
func (m *migration) theirs(ctx context.Context) ([]byte, error) {
	if m.connect.url != "" {
		return m.connect.offset(ctx, m.mover.Partition())
	}
	return sourcetask.ReadOffset(ctx, m.kafka, m.topic, m.connect.name, m.mover.Partition(), m.log)
}

// same says whether both programs keep the position in the same record of the same topic.
func (m *migration) same() bool {
	return m.connect.url == "" && m.topic == m.ours && m.connect.name == m.connector.Name
}

func (m *migration) print(move connect.Move, stop bool) {
	fmt.Fprintf(m.out, "position to store %s\n", move.Offset)
	for _, n := range move.Notes {
		fmt.Fprintf(m.out, "- %s\n", n)
	}
	fmt.Fprintln(m.out, "\nTo do:")
	switch {
	case stop:
		fmt.Fprintf(m.out, "- stop %s (PUT …/stop; its configuration and its offsets stay)\n", m.connect.where())
	case move.Busy != "":
		fmt.Fprintf(m.out, "- stop the reader first: %s\n", move.Busy)
	}
	fmt.Fprintf(m.out, "- store the position in %s\n- then: %s\n", m.target(), m.next())
}

// target is where the position goes to.
func (m *migration) target() string {
	switch {
	case !m.back:
		return fmt.Sprintf("topic %q, as connector %q", m.ours, m.connector.Name)
	case m.connect.url != "":
		return m.connect.where() + " (PATCH …/offsets)"
	}
	return fmt.Sprintf("topic %q, as connector %q", m.topic, m.connect.name)
}

// next is what is left to somebody else.
func (m *migration) next() string {
	if m.back {
		return "start the connector in Kafka Connect (PUT …/resume), and leave it stopped here"
	}
	return "start connectd, and leave the connector in Kafka Connect stopped until you delete it there"
}

func (m *migration) write(ctx context.Context, offset []byte) error {
	partition := m.mover.Partition()
	switch {
	case !m.back:
		return sourcetask.WriteOffset(ctx, m.kafka, m.ours, m.connector.Name, partition, offset, m.log)
	case m.connect.url != "":
		return m.connect.setOffset(ctx, partition, offset)
	}
	return sourcetask.WriteOffset(ctx, m.kafka, m.topic, m.connect.name, partition, offset, m.log)
}

// nothing is the offset, or a word for none.
func nothing(offset []byte) string {
	if offset == nil {
		return "none"
	}
	return string(offset)
}
