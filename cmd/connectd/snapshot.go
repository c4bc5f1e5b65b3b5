package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"connectd/connect"

	"github.com/spf13/cobra"
)

// requestTimeout is for one request to a worker.
const requestTimeout = 30 * time.Second

// workerURL is where a worker listens by default.
const workerURL = "http://127.0.0.1:8083"

func snapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Start, stop and watch snapshots of a connector that runs",
		Long: `Asks the worker that runs a source connector for snapshots of tables, while the connector goes on.
An incremental snapshot reads them in chunks beside the stream; a blocking one lets the stream wait.`,
		Example: `  connectd snapshot start shop-cdc public.orders 'public.item_.*'
  connectd snapshot start shop-cdc public.orders --filter "public.orders=created > '2026-01-01'"
  connectd snapshot start shop-cdc public.orders --type blocking
  connectd snapshot status shop-cdc
  connectd snapshot pause shop-cdc
  connectd snapshot resume shop-cdc
  connectd snapshot stop shop-cdc public.orders`,
		Args: someArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	w := &remoteWorker{}
	cmd.PersistentFlags().StringVar(&w.url, "url", workerURL, "where the worker's REST API listens")
	cmd.AddCommand(snapshotStart(w), snapshotStop(w),
		snapshotSteer(w, "pause", "Let the incremental snapshots of a connector wait, after the chunk under way", "pause-snapshot"),
		snapshotSteer(w, "resume", "Let them go on", "resume-snapshot"), snapshotStatus(w))
	return cmd
}

func snapshotStart(w *remoteWorker) *cobra.Command {
	var kind, surrogate string
	var filters []string
	cmd := &cobra.Command{
		Use:   "start CONNECTOR TABLE…",
		Short: "Read tables again; TABLE is a regular expression for schema.table",
		Args:  connectorAnd(1, "name the tables to read, such as public.orders"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data := map[string]any{"data-collections": args[1:], "type": kind}
			var conditions []map[string]string
			for _, f := range filters {
				table, filter, ok := strings.Cut(f, "=")
				if !ok || table == "" || filter == "" {
					return usageError{fmt.Errorf("--filter %q has no condition; write TABLE=CONDITION", f)}
				}
				conditions = append(conditions, map[string]string{"data-collection": table, "filter": filter})
			}
			if len(conditions) > 0 {
				data["additional-conditions"] = conditions
			}
			if surrogate != "" {
				data["surrogate-key"] = surrogate
			}
			return w.signal(cmd, args[0], "execute-snapshot", data)
		},
	}
	cmd.Flags().StringVar(&kind, "type", "incremental", "incremental: in chunks beside the stream; blocking: the stream waits")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "TABLE=CONDITION: only rows for which it holds; for a blocking snapshot, TABLE=SELECT …")
	cmd.Flags().StringVar(&surrogate, "surrogate-key", "", "column by which to read a table that has no primary key")
	return cmd
}

func snapshotStop(w *remoteWorker) *cobra.Command {
	return &cobra.Command{
		Use:   "stop CONNECTOR [TABLE…]",
		Short: "End the snapshots of these tables, or all of them",
		Args:  connectorAnd(0, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			data := map[string]any{}
			if len(args) > 1 {
				data["data-collections"] = args[1:]
			}
			return w.signal(cmd, args[0], "stop-snapshot", data)
		},
	}
}

func snapshotSteer(w *remoteWorker, use, short, kind string) *cobra.Command {
	return &cobra.Command{
		Use:   use + " CONNECTOR",
		Short: short,
		Args:  connectorOnly,
		RunE:  func(cmd *cobra.Command, args []string) error { return w.signal(cmd, args[0], kind, map[string]any{}) },
	}
}

func snapshotStatus(w *remoteWorker) *cobra.Command {
	return &cobra.Command{
		Use:   "status CONNECTOR",
		Short: "Show how far the snapshots of a connector are",
		Args:  connectorOnly,
		RunE: func(cmd *cobra.Command, args []string) error {
			var state struct {
				State, Phase, Detail string
				Tables               []connect.TableProgress
			}
			if err := w.do(cmd, http.MethodGet, args[0], "snapshot", nil, &state); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s: %s, %s\n", args[0], state.State, state.Phase)
			if state.Detail != "" {
				fmt.Fprintln(out, state.Detail)
			}
			if len(state.Tables) == 0 {
				return nil
			}
			table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "TABLE\tROWS\tABOUT\tDONE")
			for _, t := range state.Tables {
				fmt.Fprintf(table, "%s\t%d\t%d\t%v\n", t.Table, t.Rows, t.Estimated, t.Done)
			}
			return table.Flush()
		},
	}
}

// connectorAnd is the rule of commands that take a connector and at least so many words more.
func connectorAnd(more int, missing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError{errors.New("no connector given; `GET /connectors` lists them")}
		case len(args) < 1+more:
			return usageError{errors.New(missing)}
		}
		return nil
	}
}

// connectorOnly is the rule of commands that take a connector and nothing else.
func connectorOnly(cmd *cobra.Command, args []string) error {
	if err := connectorAnd(0, "")(cmd, args); err != nil {
		return err
	}
	return noArgs(cmd, args[1:])
}

// remoteWorker is a worker that runs somewhere.
type remoteWorker struct{ url string }

// signal hands a signal to the connector.
func (w *remoteWorker) signal(cmd *cobra.Command, connector, kind string, data any) error {
	var taken struct{ ID string }
	if err := w.do(cmd, http.MethodPost, connector, "signals", map[string]any{"type": kind, "data": data}, &taken); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: taken (id %s); `connectd snapshot status %s` shows how far it is\n", kind, taken.ID, connector)
	return nil
}

// do asks the worker. What it answers beside success is the error.
func (w *remoteWorker) do(cmd *cobra.Command, method, connector, path string, body, into any) error {
	var text io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(data)
	}
	target := strings.TrimSuffix(w.url, "/") + "/connectors/" + url.PathEscape(connector) + "/" + path
	req, err := http.NewRequestWithContext(cmd.Context(), method, target, text)
	if err != nil {
		return usageError{fmt.Errorf("--url: %w", err)}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: requestTimeout}
	answer, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%w; is connectd running there? --url says where", err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", w.url, err)
	}
	if answer.StatusCode/100 != 2 {
		var problem struct{ Message string }
		if json.Unmarshal(data, &problem) != nil || problem.Message == "" {
			problem.Message = answer.Status
		}
		return errors.New(problem.Message)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", w.url, err)
	}
	return nil
}
