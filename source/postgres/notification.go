package postgres

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectd/record"
)

// What Debezium's notifications are about, and how the reading of a table may end.
const (
	aggregateInitial     = "Initial Snapshot"
	aggregateIncremental = "Incremental Snapshot"

	statusSucceeded = "SUCCEEDED"
	statusEmpty     = "EMPTY"
	statusKeyless   = "NO_PRIMARY_KEY"
	statusSQL       = "SQL_EXCEPTION"
	statusSchema    = "UNKNOWN_SCHEMA"
)

// notifier tells of snapshots in Debezium's form: in the log, and in a topic.
type notifier struct {
	config *Config
	log    *slog.Logger
}

// to says whether the channel is enabled.
func (n *notifier) to(channel string) bool { return slices.Contains(n.config.Notifications, channel) }

// notification is one of them. data are names and values of its additional data.
type notification struct {
	id, aggregate, kind string
	data                []string
	at                  time.Time
}

func (n *notifier) write(m *notification) {
	if n.to("log") {
		fields := []any{"aggregate_type", m.aggregate, "type", m.kind, "id", m.id}
		for i := 0; i+1 < len(m.data); i += 2 {
			fields = append(fields, m.data[i], m.data[i+1])
		}
		n.log.Info("notification", fields...)
	}
}

// record adds the notification to b.
func (n *notifier) record(b *record.Batch, m *notification) {
	data := []record.Value{record.OfText("connector_name"), record.OfText(n.config.Prefix)}
	for _, text := range m.data {
		data = append(data, record.OfText(text))
	}
	r := b.Add()
	r.Topic = n.config.NotifyTopic
	r.Key = record.Datum{Schema: notificationKey, Value: record.OfStruct([]record.Value{record.OfText(m.id)})}
	r.Value = record.Datum{Schema: notificationValue, Value: record.OfStruct([]record.Value{
		record.OfText(m.id), record.OfText(m.aggregate), record.OfText(m.kind), record.OfMap(data), record.OfInt(m.at.UnixMilli()),
	})}
}

var (
	notificationKey = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.NotificationKey", Version: 1,
		Fields: []record.Field{{Name: "id", Schema: textRequired}}}
	notificationValue = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.Notification", Version: 1,
		Fields: []record.Field{
			{Name: "id", Schema: textRequired}, {Name: "aggregate_type", Schema: textRequired}, {Name: "type", Schema: textRequired},
			{Name: "additional_data", Schema: &record.Schema{Type: record.MapType, Optional: true, Key: textRequired, Elem: textRequired}},
			{Name: "timestamp", Schema: int64Required},
		}}
)

// notify tells of a snapshot beside the stream. data are names and values.
func (g *signals) notify(ctx context.Context, id, aggregate, kind string, data ...string) error {
	m := &notification{id: id, aggregate: aggregate, kind: kind, data: data, at: time.Now()}
	g.notifier.write(m)
	if !g.notifier.to("sink") {
		return nil
	}
	if err := g.st.room(ctx); err != nil {
		return err
	}
	g.notifier.record(g.st.out.batch, m)
	g.unsent = true
	return nil
}

// inProgress tells that a chunk is done.
func (g *signals) inProgress(ctx context.Context, t *demanded) error {
	return g.notify(ctx, t.ID, aggregateIncremental, "IN_PROGRESS", "data_collections", g.names(),
		"current_collection_in_progress", t.String(), "maximum_key", strings.Join(t.Max, ","), "last_processed_key", strings.Join(t.After, ","))
}

// scanCompleted tells that a table is done.
func (g *signals) scanCompleted(ctx context.Context, t *demanded, status string) error {
	return g.notify(ctx, t.ID, aggregateIncremental, "TABLE_SCAN_COMPLETED", "data_collections", g.names(),
		"scanned_collection", t.String(), "total_rows_scanned", strconv.FormatInt(t.Rows, 10), "status", status)
}
