package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"connectd/connect"
	"connectd/internal/fault"
	"connectd/record"
)

const (
	// confirmEvery is how often PostgreSQL is told of progress, while there is any.
	confirmEvery = time.Second
	// drainLimit is how long a stop waits for the batches that are under way.
	drainLimit = 5 * time.Second
	// silenceLimit is how long a server that has no wal_sender_timeout may be silent.
	silenceLimit = time.Minute
	// tendEvery is after how many messages of an uninterrupted run the clock is looked at.
	tendEvery = 1024
)

// stream reads the slot. The goroutine of Run owns it and its connection.
type stream struct {
	source  *Source
	task    *connect.SourceTask
	catalog *catalog
	conn    *pgconn.PgConn
	reader  *coalescer
	out     output
	tables  map[uint32]*table // announced tables by OID; nil for one that is not captured

	pos    position // up to where the changes are in batches
	resume position // where the stream begins: changes up to it are skipped
	tx     transaction

	sent       LSN // Mark of the newest batch that was sent
	lastCommit LSN // end of the last transaction, 0 for none since the snapshot
	walEnd     LSN // up to where the server has sent everything
	told       LSN // confirmed by the last status

	heard    time.Time     // when the server last said something
	status   time.Time     // when the last status was sent
	beat     time.Time     // when the last heartbeat was sent
	interval time.Duration // between two statuses, at most
	silence  time.Duration // after which the server counts as gone
}

// transaction is the one that is being received.
type transaction struct {
	open     bool
	end      LSN // of its commit record
	tsMicros int64
	id       uint32
	lsn      LSN // of the newest change
	same     int // changes so far with that LSN
}

func (s *Source) stream(ctx context.Context, t *connect.SourceTask, c *catalog, srv server, start position) error {
	conn, reader, err := s.connectReplication(ctx)
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	st := &stream{
		source: s, task: t, catalog: c, conn: conn, reader: reader,
		out: output{config: s.config, headers: s.headers}, tables: map[uint32]*table{},
		pos: start, resume: start, sent: start.commit, told: start.commit, walEnd: start.commit,
		interval: s.config.StatusInterval, silence: silenceLimit,
	}
	if srv.senderTimeout > 0 {
		st.silence = srv.senderTimeout
		st.interval = min(st.interval, srv.senderTimeout/3)
	}
	if start.message != "" {
		st.lastCommit = start.commit
	}
	if err := s.whenFree(ctx, func() error { return st.begin(ctx) }); err != nil {
		return err
	}
	st.report()
	s.log.Info("streaming", "slot", s.config.Slot, "lsn", start.commit.String())
	if err := st.run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	if err := st.drain(); err != nil {
		return err
	}
	if s.config.DropSlot {
		closeSoon(conn) // a slot in use can not be dropped
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		return s.whenFree(ctx, func() error { return s.dropSlot(ctx, c) })
	}
	return nil
}

// begin sends START_REPLICATION.
func (st *stream) begin(ctx context.Context) error {
	c := st.source.config
	params, err := streamParams(c.StreamParams)
	if err != nil {
		return err
	}
	options := append([]string{
		"proto_version '1'", "publication_names " + literal(identifier(c.Publication)),
	}, params...)
	err = pglogrepl.StartReplication(ctx, st.conn, identifier(c.Slot), st.resume.commit,
		pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: options})
	if err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	return nil
}

// run receives until ctx is done. It is the one place that waits for the server; room is the one
// place that waits for batches.
func (st *stream) run(ctx context.Context) error {
	netConn := st.conn.Conn()
	// The read below does not know ctx; a deadline in the past ends it.
	stop := context.AfterFunc(ctx, func() { _ = netConn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	now := time.Now()
	st.heard, st.status, st.beat = now, now, now
	for {
		wait, err := st.tend(ctx, time.Now())
		if err != nil {
			return err
		}
		if err := netConn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if ctx.Err() != nil { // after the deadline was set: AfterFunc's may have come before
			return nil
		}
		if err := st.receive(ctx); err != nil {
			return err
		}
	}
}

// receive handles messages until there is none left to read without waiting, and then sends the
// batch.
func (st *stream) receive(ctx context.Context) error {
	for n := 0; n < tendEvery; n++ {
		received, err := st.conn.ReceiveMessage(context.Background())
		if pgconn.Timeout(err) {
			st.flush() // what came before the beginning of a message does not wait for its end
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", shortened(err))
		}
		if n == 0 {
			now := time.Now()
			st.heard, st.out.now = now, now.UnixNano()
		}
		switch m := received.(type) {
		case *pgproto3.CopyData:
			if err := st.copyData(ctx, m.Data); err != nil {
				return err
			}
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("receive: %w", pgconn.ErrorResponseToPgError(m))
		case *pgproto3.CopyDone:
			return fmt.Errorf("receive: the server ended the stream")
		}
		if st.reader.buffered() == 0 && st.conn.Frontend().ReadBufferLen() == 0 {
			st.flush()
			return nil
		}
	}
	return nil
}

// copyData handles a message of the streaming protocol.
func (st *stream) copyData(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return errTruncated
	}
	m := message{rest: data[1:]}
	switch data[0] {
	case pglogrepl.XLogDataByteID:
		lsn := LSN(m.uint64())
		m.uint64() // the same LSN again
		m.uint64() // the server's clock
		if m.bad {
			return errTruncated
		}
		if len(m.rest) > 0 && m.rest[0] != 'B' && m.rest[0] != 'C' {
			if err := st.room(ctx); err != nil {
				return err
			}
		}
		if err := st.handle(ctx, lsn, m.rest); err != nil {
			return err
		}
		if st.out.batch != nil && st.out.full() {
			st.flush()
		}
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		end := LSN(m.uint64())
		m.uint64() // the server's clock
		reply := m.byte() != 0
		if m.bad {
			return errTruncated
		}
		st.walEnd = max(st.walEnd, end)
		if reply {
			return st.sendStatus(time.Now())
		}
	}
	return nil
}

// flush sends the batch, if there are records in it.
func (st *stream) flush() {
	if st.out.batch == nil || len(st.out.batch.Records) == 0 {
		return
	}
	st.send()
}

func (st *stream) send() {
	b := st.out.batch
	st.pos.stamp(b, st.source.partition)
	st.sent = LSN(b.Mark)
	st.task.Send(b)
	st.out.batch = nil
}

// room waits for an empty batch to fill, and answers the server meanwhile.
func (st *stream) room(ctx context.Context) error {
	if st.out.batch != nil {
		return nil
	}
	select {
	case b := <-st.task.Free():
		st.out.take(b)
		return nil
	default:
	}
	tick := time.NewTicker(min(st.interval, confirmEvery))
	defer tick.Stop()
	for {
		select {
		case b := <-st.task.Free():
			st.out.take(b)
			// What the server said meanwhile is in the socket: it was not silent.
			st.heard = time.Now()
			return nil
		case now := <-tick.C:
			if err := st.sendStatus(now); err != nil {
				return err
			}
		case <-ctx.Done():
			return errStopped
		}
	}
}

// tend does what is due: it moves an idle position, sends the status and the heartbeat, and
// notices a dead server. It returns how long the next receive may wait.
func (st *stream) tend(ctx context.Context, now time.Time) (time.Duration, error) {
	if silent := now.Sub(st.heard); silent > st.silence {
		return 0, fmt.Errorf("receive: nothing heard from %s for %s; connecting again", st.source.config.address(), silent.Round(time.Second))
	}
	committed := LSN(st.task.Committed())
	due := st.status.Add(st.interval)
	if committed > st.told || st.sent > committed || st.lastCommit > st.sent {
		due = st.status.Add(min(st.interval, confirmEvery))
	}
	if !now.Before(due) {
		st.idle()
		if err := st.sendStatus(now); err != nil {
			return 0, err
		}
		due = now.Add(min(st.interval, confirmEvery))
	}
	if every := st.source.config.Heartbeat; every > 0 {
		if !now.Before(st.beat.Add(every)) {
			if err := st.heartbeat(ctx, now); err != nil {
				return 0, err
			}
		}
		if next := st.beat.Add(every); next.Before(due) {
			due = next
		}
	}
	return max(due.Sub(now), time.Millisecond), nil
}

// idle moves the position to the end of the WAL when nothing is under way, so that a slot whose
// tables are quiet does not keep the WAL of busy ones. The position goes through an empty batch:
// the offset is durable before PostgreSQL is told, and a slot is never ahead of it.
func (st *stream) idle() {
	if st.tx.open {
		return
	}
	if st.walEnd > st.pos.commit {
		if st.pos.txEnd < st.walEnd {
			st.pos = position{lsn: st.walEnd, message: st.pos.message}
		}
		// Else the transaction in which we resume is still to come, and lsn says which of its
		// changes are done.
		st.pos.commit = st.walEnd
	}
	if st.pos.commit == st.sent || st.pos.commit == st.resume.commit {
		return
	}
	if st.out.batch == nil {
		select {
		case b := <-st.task.Free():
			st.out.take(b)
		default:
			return // back-pressure: the position goes with a later batch
		}
	}
	st.send()
}

// sendStatus tells the server that we are alive, and which WAL is not needed any more.
//
// The order of truth, third step: records are durable in Kafka, then the offset is, and what
// Committed returns is only then confirmed here.
func (st *stream) sendStatus(now time.Time) error {
	confirmed := max(LSN(st.task.Committed()), st.resume.commit)
	if st.source.config.FlushMode == "manual" {
		confirmed = st.resume.commit
	}
	err := pglogrepl.SendStandbyStatusUpdate(context.Background(), st.conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: max(st.walEnd, st.pos.commit, confirmed), WALFlushPosition: confirmed, WALApplyPosition: confirmed,
		ClientTime: now,
		// Half of the time is over: a server that is there answers.
		ReplyRequested: now.Sub(st.heard) > st.silence/2,
	})
	if err != nil {
		return fmt.Errorf("send status: %w", shortened(err))
	}
	st.status, st.told = now, confirmed
	fault.Point("source.confirmed")
	st.report()
	return nil
}

// report shows where the stream is.
func (st *stream) report() {
	st.task.Report(connect.Progress{
		Phase:  "streaming",
		Detail: fmt.Sprintf("reading slot %q, at %s, confirmed up to %s", st.source.config.Slot, max(st.walEnd, st.pos.lsn), st.told),
		Gauges: map[string]float64{"connectd_slot_unconfirmed_bytes": float64(max(st.walEnd, st.pos.lsn) - st.told)},
	})
}

// drain sends what is batched, waits until it is durable, and confirms it.
func (st *stream) drain() error {
	st.flush()
	limit := time.NewTimer(drainLimit)
	defer limit.Stop()
	for LSN(st.task.Committed()) < st.sent && st.sent > st.resume.commit {
		select {
		case <-st.task.Wake():
		case <-limit.C:
			st.source.log.Warn("stopping with changes that are not acknowledged; they are sent again at the next start", "lsn", st.sent.String())
			return st.sendStatus(time.Now())
		}
	}
	return st.sendStatus(time.Now())
}

// heartbeat sends a heartbeat record, and runs heartbeat.action.query.
func (st *stream) heartbeat(ctx context.Context, now time.Time) error {
	st.beat = now
	c := st.source.config
	if c.HeartbeatQuery != "" {
		if err := st.catalog.exec(ctx, c.HeartbeatQuery); err != nil {
			return fmt.Errorf("run heartbeat.action.query: %w", err)
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
