package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"connectd/config"
	"connectd/connect"

	"github.com/spf13/cobra"
)

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [CLASS]",
		Short: "Show the classes that connector files may name, or every key of one",
		Long: `Shows the sources, sinks, transforms and converters of this program, with the Java classes that
each stands in for; a connector file may name either. With a class, shows all its keys.`,
		Example: `  connectd list
  connectd list postgres-source
  connectd list io.debezium.transforms.ExtractNewRecordState`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return noArgs(cmd, args[1:])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return printClasses(cmd.OutOrStdout())
			}
			return printKeys(cmd.OutOrStdout(), args[0])
		},
	}
}

// kinds are the parts of the table of plugins with their names.
func kinds() []struct {
	name  string
	table []connect.Plugin
} {
	return []struct {
		name  string
		table []connect.Plugin
	}{
		{"source", plugins.Sources},
		{"sink", plugins.Sinks},
		{"transform", plugins.Transforms},
		{"converter", plugins.Converters},
	}
}

func printClasses(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tCLASS\tSTANDS IN FOR")
	for _, k := range kinds() {
		for _, p := range k.table {
			class, kind := p.Class, k.name
			for _, alias := range p.Aliases {
				fmt.Fprintf(w, "%s\t%s\t%s\n", kind, class, alias)
				class, kind = "", ""
			}
		}
	}
	return w.Flush()
}

func printKeys(out io.Writer, class string) error {
	var names []string
	for _, k := range kinds() {
		if p, ok := connect.Find(k.table, class); ok {
			return printOptions(out, options(k.name, p))
		}
		for _, p := range k.table {
			names = append(append(names, p.Class), p.Aliases...)
		}
	}
	if near := config.Nearest(class, names); near != "" {
		return fmt.Errorf("%q is not a class; did you mean %s?", class, near)
	}
	return fmt.Errorf("%q is not a class; `connectd list` shows those that there are", class)
}

func printOptions(out io.Writer, options []config.Option) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tTYPE\tDEFAULT\tMEANING")
	for _, o := range options {
		if o.NoEffect == "" {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.Key, o.Type, standing(o), meaning(o))
		}
	}
	return w.Flush()
}

// standing is what stands in for a key that is not written.
func standing(o config.Option) string {
	if o.Required {
		return "(required)"
	}
	return o.Default
}

// meaning is the option's sentence and its possible values.
func meaning(o config.Option) string {
	if len(o.Values) == 0 {
		return o.Doc
	}
	return o.Doc + " (" + strings.Join(o.Values, ", ") + ")"
}
