package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"connectd/connect"
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
	signals *signals

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

func (s *Source) stream(ctx context.Context, t *connect.SourceTask, c *catalog, srv server, p plan) error {
	start := p.start
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
	st.signals = newSignals(ctx, st)
	defer st.signals.close()
	if err := st.signals.begin(ctx, p.snapshot); err != nil {
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
		return fmt.Errorf("start replication of slot %q: %w", c.Slot, shortened(err))
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
		if st.signals.pending() { // so may that of wake
			continue
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
			return fmt.Errorf("receive from %s: %w", st.source.config.address(), shortened(err))
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
	st.pos.stamp(b, st.source.partition, st.signals.offset())
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
