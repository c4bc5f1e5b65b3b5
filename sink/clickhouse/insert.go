package clickhouse

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// deliverySettings are the ones that an insert always sets itself, because delivery depends on
// them and the server's defaults have changed from version to version.
var deliverySettings = map[string]bool{
	"insert_deduplication_token":                         true,
	"insert_deduplicate":                                 true,
	"deduplicate_insert":                                 true,
	"deduplicate_blocks_in_dependent_materialized_views": true,
	"async_insert":                                       true,
	"wait_end_of_query":                                  true,
	"input_format_native_allow_types_conversion":         true,
	"input_format_parallel_parsing":                      true,
}

// settings are those of the insert with the given token. Unknown ones are left out: the server
// would refuse the insert for them.
func (c *client) settings(token string) map[string]string {
	all := map[string]string{
		"async_insert":               "0",
		"insert_deduplicate":         "1",
		"deduplicate_insert":         "enable",
		"insert_deduplication_token": token,
		"deduplicate_blocks_in_dependent_materialized_views": "1",
		// Columns are sent as String where the table has LowCardinality(String) or JSON.
		"input_format_native_allow_types_conversion": "1",
		// One INSERT makes as many parts as it has partitions, however it is cut: cutting it
		// would only add tokens. clickhouseSettings may set a limit again.
		"max_partitions_per_insert_block": "0",
	}
	// A server from before the token (22.2) deduplicates by content: none of these help there.
	maps.DeleteFunc(all, func(name, _ string) bool {
		return !c.server.has[name] || !c.server.has["insert_deduplication_token"]
	})
	maps.Copy(all, c.cfg.Settings)
	return all
}

// insert sends b under the token, again when the server refuses it for the moment: under the
// same token that is harmless.
func (c *client) insert(ctx context.Context, t *table, b *block, token string) error {
	for attempt := 0; ; attempt++ {
		err := c.attempt(ctx, t, b, token)
		if err == nil {
			return nil
		}
		if attempt >= c.cfg.Retries || !transient(err) || ctx.Err() != nil {
			return c.explain("insert into "+t.quoted, err)
		}
		pause := time.NewTimer(time.Duration(float64(backoff(attempt)) * (0.5 + rand.Float64()/2)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		}
	}
}

func (c *client) attempt(ctx context.Context, t *table, b *block, token string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.cfg.InsertTimeout))
	defer cancel()
	names := make([]string, len(b.columns))
	for i := range b.columns {
		names[i] = quoteName(b.columns[i].name)
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s)", t.quoted, strings.Join(names, ", "))
	if c.at.native {
		return c.sendNative(ctx, sql, b, token)
	}
	settings := clickhouse.Settings{"wait_end_of_query": 1}
	for name, value := range c.settings(token) {
		settings[name] = value
	}
	return c.conn.InsertFormat(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), "Native", sql, io.MultiReader(b.native()...))
}

func (c *client) sendNative(ctx context.Context, sql string, b *block, token string) error {
	if err := c.dial(ctx); err != nil {
		return err
	}
	q := ch.Query{Body: sql + " VALUES"}
	for name, value := range c.settings(token) {
		q.Settings = append(q.Settings, ch.Setting{Key: name, Value: value, Important: true})
	}
	for i := range b.columns {
		q.Input = append(q.Input, proto.InputColumn{Name: b.columns[i].name, Data: input{&b.columns[i], b.rows}})
	}
	err := c.native.Do(ctx, q)
	if err != nil {
		// Part of the block may still be on its way.
		_ = c.hangUp()
	}
	return err
}

// native is the block in the Native format: columns, rows, and for each column its name, its
// type and its cells.
func (b *block) native() []io.Reader {
	head := binary.AppendUvarint(nil, uint64(len(b.columns)))
	head = binary.AppendUvarint(head, uint64(b.rows))
	var readers []io.Reader
	for i := range b.columns {
		head = appendString(head, b.columns[i].name)
		head = appendString(head, b.columns[i].sent)
		readers = append(readers, bytes.NewReader(head))
		for _, s := range b.columns[i].cells.segments(nil) {
			readers = append(readers, bytes.NewReader(s))
		}
		head = nil
	}
	return readers
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// input is a column in the form that ch-go sends.
type input struct {
	column *blockColumn
	rows   int
}

func (i input) Type() proto.ColumnType { return proto.ColumnType(i.column.sent) }
func (i input) Rows() int              { return i.rows }

func (i input) EncodeColumn(b *proto.Buffer) {
	for _, s := range i.column.cells.segments(nil) {
		b.Buf = append(b.Buf, s...)
	}
}

func (i input) WriteColumn(w *proto.Writer) {
	for _, s := range i.column.cells.segments(nil) {
		w.ChainWrite(s)
	}
}
