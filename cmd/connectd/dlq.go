package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"connectd/connect/connector"
	"connectd/connect/deadletter"
	"connectd/kafka"

	"github.com/spf13/cobra"
)

func dlqCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at dead letters, and send them through the sink again after a fix",
		Long: `Reads the dead-letter topics of the connectors in a file: the records that they could not process
and have left out, because errors.tolerance is all. See docs/dead-letters.md.`,
		Example: `  connectd dlq list connectors.yaml
  connectd dlq list connectors.yaml --connector orders-to-postgres --cause 'numeric.*overflow' --each
  connectd dlq show connectors.yaml dead-letters-0@17
  connectd dlq replay connectors.yaml orders-to-postgres --dry-run
  connectd dlq replay connectors.yaml orders-to-postgres --cause 'numeric.*overflow'`,
		Args: someArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(dlqList(), dlqShow(), dlqReplay())
	return cmd
}

// letterFilter is the flags that choose letters.
type letterFilter struct {
	topic, offsets, cause string
	partition             int32
}

func (f *letterFilter) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.topic, "topic", "", "only records of this topic of origin")
	cmd.Flags().Int32Var(&f.partition, "partition", -1, "only records of this partition of it")
	cmd.Flags().StringVar(&f.offsets, "offsets", "", "only records at these offsets of it: FIRST-LAST, or one")
	cmd.Flags().StringVar(&f.cause, "cause", "", "only records whose cause matches this regular expression")
}

func (f *letterFilter) filter(connector string) (deadletter.Filter, error) {
	filter := deadletter.Filter{Connector: connector, Topic: f.topic, Partition: f.partition, OnPartition: f.partition >= 0}
	var err error
	if f.offsets != "" {
		if filter.Offsets, err = deadletter.ParseOffsets(f.offsets); err != nil {
			return filter, usageError{fmt.Errorf("--offsets: %w", err)}
		}
	}
	if f.cause != "" {
		if filter.Cause, err = regexp.Compile(f.cause); err != nil {
			return filter, usageError{fmt.Errorf("--cause: %w", err)}
		}
	}
	return filter, nil
}

// withLetters are the connectors called names, all without names, that have a dead-letter topic.
func withLetters(cmd *cobra.Command, l *loaded, names ...string) ([]*connector.Connector, error) {
	for _, p := range l.problems {
		cmd.PrintErrln(p)
	}
	chosen, err := l.choose(names)
	switch {
	case err != nil:
		return nil, err
	case len(chosen) == 0 || l.workerErr != nil:
		return nil, errShown
	case len(l.kafka.Brokers) == 0:
		return nil, errors.New("the worker section has no bootstrap.servers; write those of the Kafka cluster that the dead letters are in")
	}
	chosen = slices.DeleteFunc(chosen, func(c *connector.Connector) bool { return c.DeadLetters == "" })
	switch {
	case len(chosen) > 0:
		return chosen, nil
	case len(names) > 0:
		return nil, fmt.Errorf("connector %q has no dead letters; they need errors.tolerance: all and errors.deadletterqueue.topic.name", names[0])
	}
	return nil, errors.New("no connector in the files has dead letters; they need errors.tolerance: all and errors.deadletterqueue.topic.name")
}

// topicsOf are the dead-letter topics of the connectors that there are already.
func topicsOf(cmd *cobra.Command, admin *kafka.Admin, connectors []*connector.Connector) ([]string, error) {
	there, err := admin.Topics(cmd.Context())
	if err != nil {
		return nil, err
	}
	var topics []string
	for _, c := range connectors {
		if slices.Contains(there, c.DeadLetters) && !slices.Contains(topics, c.DeadLetters) {
			topics = append(topics, c.DeadLetters)
		}
	}
	return topics, nil
}
