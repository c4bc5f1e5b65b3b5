package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitProblem = 1 // a problem in a file, or of the running daemon
	exitUsage   = 2 // a command line that can not be understood
)

// usageError is a mistake on the command line.
type usageError struct{ error }

// errShown ends the program with exitProblem when everything has been said already.
var errShown = errors.New("problems were found")

// execute runs the command line args and returns the exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errShown):
		return exitProblem
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "connectd: %v\nRun '%s --help' for how to call it.\n", err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(stderr, "connectd: %v\n", err)
	return exitProblem
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "connectd",
		Short: "Stream databases into Kafka, and Kafka into databases and files",
		Long: `connectd runs Kafka connectors: PostgreSQL change data capture into Kafka, and Kafka into
ClickHouse, PostgreSQL and S3. It reads its own YAML, Strimzi's KafkaConnector documents and
Kafka Connect's JSON, with the class and property names of Debezium and Kafka Connect.`,
		Example: `  connectd validate connectors.yaml     say everything that is wrong, without running it
  connectd doctor connectors.yaml       look at the databases, and print the SQL that mends them
  connectd run connectors.yaml          run the connectors of one file
  connectd run conf.d/ extra.json       run those of a directory and a file
  connectd list                         show the classes of connectors, transforms and converters
  connectd list postgres-source         show every key of one of them
  connectd snapshot start shop public.a read a table again while its connector runs
  connectd dlq list connectors.yaml     show why records were left out, to send them again later`,
		Args:          someArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,

		SuggestionsMinimumDistance: 2,

		SilenceUsage: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(), validateCommand(), doctorCommand(), migrateCommand(), listCommand(), snapshotCommand(), dlqCommand(), versionCommand(), referenceCommand())
	return root
}

// someArgs is the rule of the bare command, which takes none: what stands there is a subcommand
// that does not exist.
func someArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("%q is not a command", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf("; did you mean %s?", near[0])
	}
	return usageError{errors.New(text)}
}

// paths is the rule of commands that read files.
func paths(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("no file or directory given; name the connector files")}
	}
	return nil
}

// noArgs is the rule of commands that take none.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q is not expected here", args[0])}
	}
	return nil
}
