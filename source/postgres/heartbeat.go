package postgres

import (
	"context"
	"fmt"
	"time"

	"connectd/record"
)

// beatWhenDue sends a heartbeat if it is time for one.
func (st *stream) beatWhenDue(ctx context.Context, now time.Time) error {
	if every := st.source.config.Heartbeat; every <= 0 || now.Before(st.beat.Add(every)) {
		return nil
	}
	return st.heartbeat(ctx, now)
}

// heartbeat sends a heartbeat record, and runs heartbeat.action.query.
func (st *stream) heartbeat(ctx context.Context, now time.Time) error {
	st.beat = now
	c := st.source.config
	if c.HeartbeatQuery != "" {
		if err := st.catalog.exec(ctx, c.HeartbeatQuery); err != nil {
			return fmt.Errorf("run heartbeat.action.query: %w", answer(err))
		}
	}
	if st.out.batch == nil && len(st.task.Free()) == 0 {
		return nil // records are on their way: nobody misses a heartbeat
	}
	if err := st.room(ctx); err != nil {
		return err
	}
	topic := c.HeartbeatTopic
	if topic == "" {
		topic = c.HeartbeatPrefix + c.Delimiter + c.Prefix
	}
	r := st.out.batch.Add()
	r.Topic = topicName(topic)
	r.Key = record.Datum{Schema: heartbeatKey, Value: record.OfStruct([]record.Value{record.OfText(c.Prefix)})}
	r.Value = record.Datum{Schema: heartbeatValue, Value: record.OfStruct([]record.Value{record.OfInt(now.UnixMilli())})}
	st.flush()
	return nil
}

var (
	heartbeatKey = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.ServerNameKey", Version: 1,
		Fields: []record.Field{{Name: "serverName", Schema: textRequired}}}
	heartbeatValue = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.Heartbeat", Version: 1,
		Fields: []record.Field{{Name: "ts_ms", Schema: int64Required}}}
)
