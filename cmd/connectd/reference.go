package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/kafka"

	"github.com/spf13/cobra"
)

// referenceCommand is for those who build connectd: it writes docs/reference.
func referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "reference DIR",
		Short:  "Write the reference of all keys as Markdown into DIR",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			for name, text := range reference() {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil {
					return fmt.Errorf("write the reference: %w", err)
				}
			}
			return nil
		},
	}
}

// page is one file of the reference.
type page struct {
	file, title, intro string
	options            []config.Option
}

// reference is the text of the reference's files by name.
func reference() map[string]string {
	pages := []page{
		{"worker.md", "The worker section", "What the `worker:` section of a file may say. The keys of Kafka's clients are Kafka's own.",
			config.Describe(&config.Worker{}, &connector.WorkerSettings{}, &kafka.Settings{})},
		{"sources.md", "Keys of every source", "Each source has these keys beside its own.",
			config.Describe(connector.RuntimeSettings(connect.SourceKind))},
		{"sinks.md", "Keys of every sink", "Each sink has these keys beside its own.",
			config.Describe(connector.RuntimeSettings(connect.SinkKind))},
	}
	for _, k := range kinds() {
		for _, p := range k.table {
			pages = append(pages, page{k.name + "-" + fileName(k.name, p.Class) + ".md", "`" + p.Class + "`", intro(k.name, p), config.Describe(p.Settings())})
		}
	}
	files := map[string]string{"README.md": index(pages)}
	for _, p := range pages {
		files[p.file] = p.markdown()
	}
	return files
}

// fileName is class without its kind, which the file's name begins with.
func fileName(kind, class string) string { return strings.TrimSuffix(class, "-"+kind) }

// intro says what class stands in for, and where its other keys are.
func intro(kind string, p connect.Plugin) string {
	var aliases []string
	for _, a := range p.Aliases {
		aliases = append(aliases, "`"+a+"`")
	}
	text := fmt.Sprintf("A %s. Files may also name it %s.", kind, strings.Join(aliases, " or "))
	if kind == "source" || kind == "sink" {
		text += fmt.Sprintf(" The keys that every %s has are in [%ss.md](%ss.md).", kind, kind, kind)
	}
	return text
}

const generated = "<!-- Written by `go run ./cmd/connectd reference docs/reference`; change the doc tags, not this file. -->\n"

func index(pages []page) string {
	var s strings.Builder
	s.WriteString(generated + "# Reference\n\nEvery key that a connector file may hold. Keys that are not here are errors.\n\n")
	for _, p := range pages {
		fmt.Fprintf(&s, "- [%s](%s)\n", p.title, p.file)
	}
	return s.String()
}

func (p page) markdown() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s# %s\n\n%s\n", generated, p.title, p.intro)
	var used, idle []config.Option
	for _, o := range p.options {
		if o.NoEffect == "" {
			used = append(used, o)
		} else {
			idle = append(idle, o)
		}
	}
	if len(used) > 0 {
		s.WriteString("\n| key | type | default | meaning |\n|---|---|---|---|\n")
	}
	for _, o := range used {
		fmt.Fprintf(&s, "| `%s` | %s | %s | %s |\n", cell(o.Key), o.Type, fallback(o), cell(sentence(o)))
	}
	if len(used) == 0 {
		s.WriteString("\nIt has no keys of its own.\n")
	}
	if len(idle) > 0 {
		s.WriteString("\nThese keys are accepted, with a warning, and have no effect:\n\n| key | why |\n|---|---|\n")
	}
	for _, o := range idle {
		fmt.Fprintf(&s, "| %s | %s |\n", cell(names(o)), cell(o.NoEffect))
	}
	return s.String()
}

// fallback is the cell of the default.
func fallback(o config.Option) string {
	switch {
	case o.Required:
		return "required"
	case o.Default == "":
		return ""
	}
	return "`" + cell(o.Default) + "`"
}

// sentence is the cell of the meaning: what the key does, its values, and its other names.
func sentence(o config.Option) string {
	text := o.Doc
	if len(o.Values) > 0 {
		text += ". One of `" + strings.Join(o.Values, "`, `") + "`"
	}
	if len(o.Aliases) > 0 {
		text += ". Also `" + strings.Join(o.Aliases, "`, `") + "`"
	}
	return text
}

// names are the key and its aliases.
func names(o config.Option) string {
	return "`" + strings.Join(append([]string{o.Key}, o.Aliases...), "`, `") + "`"
}

// cell is text for a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// options are the keys of a plugin and, for a connector, those of the runtime.
func options(kind string, p connect.Plugin) []config.Option {
	switch kind {
	case "source":
		return config.Describe(p.Settings(), connector.RuntimeSettings(connect.SourceKind))
	case "sink":
		return config.Describe(p.Settings(), connector.RuntimeSettings(connect.SinkKind))
	}
	return config.Describe(p.Settings())
}
