package postgres

import (
	"context"
	"fmt"
	"time"

	"connectd/record"
)

// beatWhenDue sends a heartbeat if it is time for one.
func (st *stream) beatWhenDue(ctx context.Context, now time.Time) error {
	if !st.beatDue(now) {
		return nil
	}
	if err := st.heartbeat(ctx, now); err != nil {
		return err
	}
	st.flush()
	return nil
}

// beatDue says whether it is time for a heartbeat.
func (st *stream) beatDue(now time.Time) bool {
	every := st.source.config.Heartbeat
	return every > 0 && !now.Before(st.beat.Add(every))
}

// heartbeat adds a heartbeat record to the batch, and runs heartbeat.action.query.
func (st *stream) heartbeat(ctx context.Context, now time.Time) error {
	if err := st.beatQuery(ctx, now); err != nil {
		return err
	}
	if st.out.batch == nil {
		select {
		case b := <-st.task.Free():
			st.fill(b)
		default:
			return nil // records are on their way: nobody misses a heartbeat
		}
	}
	st.source.beatRecord(st.out.batch, now)
	return nil
}

// beatBeside sends a heartbeat, if it is time for one, without a position: while somebody else has the
// slot, who may be our own from before, and store positions that are ahead of ours.
func (st *stream) beatBeside(ctx context.Context, now time.Time) error {
	if !st.beatDue(now) {
		return nil
	}
	if err := st.beatQuery(ctx, now); err != nil {
		return err
	}
	select {
	case b := <-st.task.Free():
		st.source.beatRecord(b, now)
		b.Mark = uint64(st.sent)
		st.task.Send(b)
	default:
	}
	return nil
}

// beatQuery runs heartbeat.action.query.
func (st *stream) beatQuery(ctx context.Context, now time.Time) error {
	st.beat = now
	sql := st.source.config.HeartbeatQuery
	if sql == "" {
		return nil
	}
	if err := st.catalog.exec(ctx, sql); err != nil {
		return fmt.Errorf("run heartbeat.action.query: %w", answer(err))
	}
	return nil
}

// beatRecord adds a heartbeat record to b.
func (s *Source) beatRecord(b *record.Batch, now time.Time) {
	c := s.config
	topic := c.HeartbeatTopic
	if topic == "" {
		topic = c.HeartbeatPrefix + c.Delimiter + c.Prefix
	}
	r := b.Add()
	r.Topic = topicName(topic)
	r.Key = record.Datum{Schema: heartbeatKey, Value: record.OfStruct([]record.Value{record.OfText(c.Prefix)})}
	r.Value = record.Datum{Schema: heartbeatValue, Value: record.OfStruct([]record.Value{record.OfInt(now.UnixMilli())})}
}

var (
	heartbeatKey = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.ServerNameKey", Version: 1,
		Fields: []record.Field{{Name: "serverName", Schema: textRequired}}}
	heartbeatValue = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.Heartbeat", Version: 1,
		Fields: []record.Field{{Name: "ts_ms", Schema: int64Required}}}
)
