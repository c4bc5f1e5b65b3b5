package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"connectd/connect"
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
	version int // of the server
	reader  *coalescer
	out     output
	tables  map[uint32]*table // announced tables by OID; nil for one that is not captured
	signals *signals

	pos    position // up to where the changes are in batches
	resume position // where this read of the slot begins: changes up to it are skipped
	tx     transaction
	spools spools // of transactions that are still open

	known      LSN   // durable before the first batch was sent
	sent       LSN   // Mark of the newest batch that was sent
	lastCommit LSN   // end of the last transaction, 0 for none since the snapshot
	xmin       int64 // of the slot, 0 for none, and when it was read
	xminRead   time.Time
	walEnd     LSN // up to where the server has sent everything
	told       LSN // confirmed by the last status

	behind     bool      // there is a backlog: leave the walsender at the next commit
	looked     time.Time // when we last looked for one
	refused    bool      // reading it by SQL does not work here
	alone      bool      // there can be no second reader of it
	backlogEnd LSN       // of the one that is being read

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
	lsn      LSN         // of the newest change
	same     int         // changes so far with that LSN
	from     *replicated // nil for a transaction of this server
}

// stream reads the slot from where p says on until ctx is done, and then drains.
func (s *Source) stream(ctx context.Context, t *connect.SourceTask, c *catalog, srv server, p plan) error {
	st := s.newStream(t, c, srv, p.start)
	defer st.hangUp()
	st.signals.open(ctx)
	defer st.signals.close()
	if err := st.signals.begin(ctx, p.snapshot); err != nil {
		return err
	}
	err := errBacklog
	for errors.Is(err, errBacklog) {
		if err = st.catchUp(ctx); err == nil {
			err = st.follow(ctx)
		}
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	if err := st.drain(); err != nil {
		return err
	}
	if s.config.DropSlot {
		st.hangUp() // a slot in use can not be dropped
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		return s.whenFree(ctx, pause, func() error { return s.dropSlot(ctx, c) })
	}
	return nil
}

func (s *Source) newStream(t *connect.SourceTask, c *catalog, srv server, start position) *stream {
	st := &stream{
		source: s, task: t, catalog: c, reader: &coalescer{},
		out: output{config: s.config, headers: s.headers}, tables: map[uint32]*table{},
		pos: start, resume: start, known: start.commit, sent: start.commit, told: start.commit, walEnd: start.commit,
		interval: s.config.StatusInterval, silence: silenceLimit, beat: time.Now(),
	}
	if s.config.Transactions {
		st.out.transactions = &transactions{topic: topicName(s.config.Prefix + s.config.Delimiter + s.config.TransactionTopic)}
	}
	st.signals = newSignals(st)
	st.version = srv.version
	if srv.senderTimeout > 0 {
		st.silence = srv.senderTimeout
		st.interval = min(st.interval, srv.senderTimeout/3)
	}
	if start.message != "" {
		st.lastCommit = start.commit
	}
	return st
}

// errBacklog says that there is a backlog which is better drained in another way.
var errBacklog = errors.New("the stream has fallen behind")

// follow reads the walsender from st.pos on. It returns nil when ctx is done, and errBacklog at
// the end of a transaction.
func (st *stream) follow(ctx context.Context) (err error) {
	s := st.source
	if st.conn, st.reader, err = s.connectReplication(ctx); err != nil {
		return err
	}
	st.resume, st.tx, st.behind = st.pos, transaction{}, false
	if err := st.sameServer(ctx); err != nil {
		return err
	}
	err = st.whenFree(ctx, func() error { return st.begin(ctx) })
	// The slot is ours from here on. What it was before matters: nobody held it since the last read.
	if gone := st.unmoved(ctx, st.resume.commit); gone != nil && (err == nil || errors.Is(gone, errSlot)) {
		return gone
	}
	if err != nil {
		return err
	}
	st.reportWhere()
	s.log.Info("streaming", "slot", s.config.Slot, "lsn", st.pos.commit.String())
	if err = st.run(ctx); errors.Is(err, errBacklog) {
		st.flush()
		st.hangUp()
	}
	return err
}

// hangUp ends the replication connection, if there is one.
func (st *stream) hangUp() {
	if st.conn != nil {
		closeSoon(st.conn)
		st.conn = nil
	}
}

// begin sends START_REPLICATION.
func (st *stream) begin(ctx context.Context) error {
	c := st.source.config
	st.spools.limit = int64(c.TxMemory)
	options, err := st.decoding(st.source.protocol...)
	if err != nil {
		return err
	}
	err = pglogrepl.StartReplication(ctx, st.conn, identifier(c.Slot), st.resume.commit,
		pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: options})
	if err != nil {
		return fmt.Errorf("start replication of slot %q: %w", c.Slot, shortened(err))
	}
	return nil
}

// decoding are the options of pgoutput, each a name and a literal.
func (st *stream) decoding(protocol ...string) ([]string, error) {
	c := st.source.config
	options := append([]string{"publication_names " + literal(identifier(c.Publication))}, protocol...)
	if st.version >= messagesVersion {
		options = append(options, "messages 'true'")
	}
	params, err := streamParams(c.StreamParams)
	return append(options, params...), err
}

// run receives until ctx is done. It is the one place that waits for the server; room is the one
// place that waits for batches.
func (st *stream) run(ctx context.Context) error {
	defer st.spools.reset() // another connection gets it anew
	netConn := st.conn.Conn()
	// The read below does not know ctx; a deadline in the past ends it.
	stop := context.AfterFunc(ctx, func() { _ = netConn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	st.signals.waiting.Store(&netConn)
	defer st.signals.waiting.Store(nil)
	now := time.Now()
	st.heard, st.status = now, now
	st.signals.incremental.since = time.Time{} // whether the stream stands still is to be seen from now on
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
		if st.behind && !st.tx.open {
			return errBacklog
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
		return st.take(ctx, lsn, m.rest)
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

// take handles one message of pgoutput, which stands in the WAL at lsn. A full batch is sent.
func (st *stream) take(ctx context.Context, lsn LSN, data []byte) error {
	if len(data) > 0 && data[0] != 'B' && data[0] != 'C' {
		if err := st.room(ctx); err != nil {
			return err
		}
	}
	if err := st.handle(ctx, lsn, data); err != nil {
		return err
	}
	if st.out.batch != nil && st.out.full() {
		st.flush()
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
	st.source.stamp(b, &st.pos, st.signals.offset())
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
		st.fill(b)
		return nil
	default:
	}
	tick := time.NewTicker(min(st.interval, confirmEvery))
	defer tick.Stop()
	for {
		select {
		case b := <-st.task.Free():
			st.fill(b)
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

// fill makes b the batch to fill.
func (st *stream) fill(b *record.Batch) {
	st.out.take(b)
	st.out.now = time.Now().UnixNano()
}
