package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectd/connect"
	"connectd/record"
)

// inboxSize is how many signals may wait for the stream.
const inboxSize = 64

// asked is a signal on its way to the stream.
type asked struct {
	signal signal
	broken error         // it could not be read as one
	mark   func(*demand) // notes in its channel's position that it is done; may be nil
	answer chan<- error  // told what is wrong with it, or nil; may be nil

	withdrawn <-chan struct{} // closed when nobody waits for the answer any more; may be nil

	joined, absent []name // instead of a signal: tables that have joined, see signals.join
}

// signals is the part of a stream that does what it is asked for beside: it takes signals from
// all channels, and keeps what is not done yet. The stream's goroutine owns it.
type signals struct {
	st          *stream
	log         *slog.Logger
	demand      *demand
	stored      []byte // demand, as it goes into the next position
	unsent      bool   // demand has changed since the last position, or there are notifications
	incremental incremental
	notifier    notifier
	waiting     atomic.Pointer[net.Conn] // where the stream waits for the server; nil while it does not
	without     []string                 // tables that joined, and whose old rows are not in Kafka

	cancel   context.CancelFunc
	channels sync.WaitGroup
}

// newSignals goes on with what the stored offset says is not done yet.
func newSignals(st *stream) *signals {
	s := st.source
	g := &signals{st: st, log: s.log, demand: s.demand, notifier: notifier{config: s.config, log: s.log}}
	g.stored = g.demand.append(nil)
	g.incremental.signals = g
	return g
}

// open opens the channels.
func (g *signals) open(ctx context.Context) {
	ctx, g.cancel = context.WithCancel(ctx)
	g.listen(ctx)
	wake := g.wake
	g.st.source.wake.Store(&wake) // from here on REST is taken
}

// begin does what is due before the stream begins: it tells of a snapshot that is not taken, and
// takes tables that have joined since the last start.
func (g *signals) begin(ctx context.Context, snapshot bool) error {
	if !snapshot {
		if err := g.notify(ctx, newUUID(), aggregateInitial, "SKIPPED"); err != nil {
			return err
		}
	}
	if err := g.checkPublished(ctx); err != nil {
		return err
	}
	return g.joinedAtStart(ctx)
}

// checkPublished says when the signal table is not published: its signals would never come.
func (g *signals) checkPublished(ctx context.Context) error {
	s := g.st.source
	n := s.capture.signal
	if n == (name{}) {
		return nil
	}
	var published bool
	err := g.st.catalog.row(ctx, "SELECT EXISTS (SELECT FROM pg_publication_tables WHERE pubname = $1 AND schemaname = $2 AND tablename = $3)",
		[]any{s.config.Publication, n.schema, n.table}, &published)
	if err == nil && !published {
		g.log.Warn("the signal table is not in the publication: no signal comes from there", "table", n.String(),
			"mend", fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s", identifier(s.config.Publication), relation{schema: n.schema, table: n.table}.sql()))
	}
	return err
}

// close closes the channels and waits for their goroutines.
func (g *signals) close() {
	g.st.source.wake.Store(nil)
	g.cancel()
	g.channels.Wait()
	g.incremental.close()
}

// wake ends the stream's wait for the server. It may be called from any goroutine.
func (g *signals) wake() {
	if conn := g.waiting.Load(); conn != nil {
		_ = (*conn).SetReadDeadline(time.Unix(1, 0)) // a connection that is gone waits no more
	}
}

// pending says whether something has come that tend takes.
func (g *signals) pending() bool { return len(g.st.source.inbox) > 0 || g.incremental.pending() }

// changed notes that the demand is another one.
func (g *signals) changed() {
	g.stored = g.demand.append(g.stored[:0])
	g.unsent = true
}

// offset is what a position carries of the demand.
func (g *signals) offset() []byte {
	g.unsent = false
	return g.stored
}

// tend does what is due. busy says that there is more to do at once.
func (g *signals) tend(ctx context.Context, now time.Time) (busy bool, err error) {
	if err := g.accept(ctx); err != nil {
		return false, err
	}
	if busy, err = g.incremental.tend(ctx, now); err != nil {
		return false, err
	}
	g.store()
	return busy || g.unsent, nil
}

// accept takes the signals that have come, and the blocking snapshot that is next.
func (g *signals) accept(ctx context.Context) error {
	for {
		select {
		case a := <-g.st.source.inbox:
			if err := g.take(ctx, a); err != nil {
				return err
			}
			continue
		default:
		}
		break
	}
	if g.blocks() {
		return g.block(ctx)
	}
	return nil
}

// blocks says whether it is time for a blocking snapshot.
func (g *signals) blocks() bool { return len(g.demand.Blocking) > 0 && !g.st.tx.open }

// store sends a changed demand, with an empty batch when there are no records to go with it.
func (g *signals) store() {
	st := g.st
	if !g.unsent {
		return
	}
	if st.out.batch == nil {
		select {
		case b := <-st.task.Free():
			st.fill(b)
		default:
			return // back-pressure: a later batch carries it
		}
	}
	st.send()
}

// take does what one signal asks for. A signal that is wrong is said and left: the stream goes on.
func (g *signals) take(ctx context.Context, a asked) error {
	if len(a.joined)+len(a.absent) > 0 {
		return g.join(ctx, a.joined, a.absent)
	}
	select {
	case <-a.withdrawn:
		return nil // it may be asked again
	default:
	}
	problem := a.broken
	if problem == nil && a.signal.kind != "" {
		var err error
		if problem, err = g.apply(ctx, &a.signal); err != nil {
			return err
		}
	}
	if problem != nil && a.answer == nil {
		g.log.Warn("signal not followed", "channel", a.signal.channel, "id", a.signal.id, "type", a.signal.kind, "err", problem)
	}
	if a.mark != nil {
		a.mark(g.demand)
		g.changed()
	}
	if a.answer != nil {
		a.answer <- problem
	}
	return nil
}

// apply does what a signal asks for. problem says what is wrong with it; err is trouble with the
// database, after which the same signal may go through.
func (g *signals) apply(ctx context.Context, s *signal) (problem, err error) {
	if s.id == "" {
		s.id = newUUID()
	}
	switch s.kind {
	case executeSnapshot:
		return g.execute(ctx, s)
	case stopSnapshot:
		return g.stop(ctx, s)
	case pauseSnapshot, resumeSnapshot:
		return g.pause(ctx, s)
	case logMessage:
		var m struct {
			Message string `json:"message"`
		}
		if err := s.decode(&m); err != nil {
			return err, nil
		}
		at := string(g.st.pos.append(nil))
		g.log.Info(strings.ReplaceAll(m.Message, "{}", at), "channel", s.channel, "id", s.id)
		return nil, nil
	case windowOpen, windowClose:
		return nil, nil // a watermark
	}
	return fmt.Errorf("%q is not a type of signal; write execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot or log", s.kind), nil
}

// execute puts tables on the list.
func (g *signals) execute(ctx context.Context, s *signal) (problem, err error) {
	c, problem := s.collections()
	if problem != nil {
		return problem, nil
	}
	if len(c.Tables) == 0 {
		return errNoTables, nil
	}
	all, err := g.st.catalog.captured(ctx, g.st.source.capture)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCatalog, err)
	}
	tables := g.matching(c.Tables, all)
	if len(tables) == 0 {
		return fmt.Errorf("no captured table matches %s; write schema.table, and see table.include.list", strings.Join(c.Tables, ", ")), nil
	}
	if c.Type == "blocking" {
		job := blockingJob{ID: s.id}
		for _, n := range tables {
			job.Tables = append(job.Tables, blockingTable{Schema: n.schema, Table: n.table, Select: c.filter(n.String())})
		}
		g.demand.Blocking = append(g.demand.Blocking, job)
		g.changed()
		g.log.Info("blocking snapshot asked for", "channel", s.channel, "id", s.id, "tables", len(tables))
		return nil, nil
	}
	for _, n := range tables {
		g.add(demanded{ID: s.id, Schema: n.schema, Table: n.table, Filter: c.filter(n.String()), Surrogate: c.Surrogate})
	}
	g.log.Info("incremental snapshot asked for", "channel", s.channel, "id", s.id, "tables", len(tables))
	return nil, g.notify(ctx, s.id, aggregateIncremental, "STARTED", "data_collections", g.names())
}

// add puts a table at the end of the list, unless the same is to come anyway.
func (g *signals) add(t demanded) {
	if !slices.ContainsFunc(g.demand.Tables, func(o demanded) bool {
		return !o.Began && o.name() == t.name() && o.Filter == t.Filter && o.Surrogate == t.Surrogate
	}) {
		g.demand.Tables = append(g.demand.Tables, t)
	}
	g.changed()
}

// matching are the captured tables that the regular expressions match, under the names under
// which their rows are read.
func (g *signals) matching(list []string, all []relation) []name {
	ps, err := newPatterns(list)
	if err != nil {
		return nil // checked before
	}
	var names []name
	for _, r := range all {
		if r.elsewhere(g.st.source.config) || g.st.source.capture.signal == (name{r.schema, r.table}) {
			continue
		}
		if ps.match(r.String()) || r.partition && ps.match(r.root.String()) {
			names = append(names, name{r.schema, r.table})
		}
	}
	return names
}

// elsewhere says whether the table's rows come under another name: its partitions', or that of
// the table of which it is a partition.
func (r relation) elsewhere(c *Config) bool {
	return c.ViaRoot && r.partition || !c.ViaRoot && r.parent
}

// stop takes tables from the list: those that match, or all. A blocking snapshot ends with it
// when it has not begun, or when its tables match.
func (g *signals) stop(ctx context.Context, s *signal) (problem, err error) {
	c, problem := s.collections()
	if problem != nil {
		return problem, nil
	}
	ps, problem := newPatterns(c.Tables)
	if problem != nil {
		return problem, nil
	}
	wanted := func(n name) bool { return len(ps) == 0 || ps.match(n.String()) }
	var stopped []string
	if len(g.demand.Tables) > 0 && wanted(g.demand.Tables[0].name()) {
		g.incremental.giveUp()
	}
	g.demand.Tables = slices.DeleteFunc(g.demand.Tables, func(t demanded) bool {
		if wanted(t.name()) {
			stopped = append(stopped, t.String())
			return true
		}
		return false
	})
	g.demand.Blocking = slices.DeleteFunc(g.demand.Blocking, func(j blockingJob) bool {
		if slices.ContainsFunc(j.Tables, func(t blockingTable) bool { return wanted(t.name()) }) {
			for _, t := range j.Tables {
				stopped = append(stopped, t.name().String())
			}
			return true
		}
		return false
	})
	if len(stopped) == 0 {
		return errors.New("there is no such snapshot to stop"), nil
	}
	g.log.Info("snapshot stopped", "channel", s.channel, "id", s.id, "tables", stopped)
	if len(g.demand.Tables) == 0 {
		g.demand.Paused = false
	}
	g.changed()
	return nil, g.notify(ctx, s.id, aggregateIncremental, "ABORTED", "data_collections", strings.Join(stopped, ","))
}

// pause pauses the incremental snapshots, or lets them go on.
func (g *signals) pause(ctx context.Context, s *signal) (problem, err error) {
	on, word := s.kind == pauseSnapshot, "PAUSED"
	if !on {
		word = "RESUMED"
	}
	switch {
	case len(g.demand.Tables) == 0:
		return errors.New("there is no incremental snapshot under way"), nil
	case g.demand.Paused == on:
		return nil, nil
	}
	g.demand.Paused = on
	g.changed()
	g.log.Info("incremental snapshot "+strings.ToLower(word), "channel", s.channel, "id", s.id)
	return nil, g.notify(ctx, s.id, aggregateIncremental, word, "data_collections", g.names())
}

// names are the tables on the list.
func (g *signals) names() string {
	var names []string
	for i := range g.demand.Tables {
		names = append(names, g.demand.Tables[i].String())
	}
	return strings.Join(names, ",")
}

// announced takes a new version of a table.
func (g *signals) announced(before, t *table) {
	if g.st.source.capture.signal == (name{t.schema, t.name}) {
		t.watch = g.row
		return
	}
	g.incremental.announced(before, t)
}

// row takes a change of the signal table. Inserted rows are signals; their position is the
// stream's own, so that none is lost and none is done twice.
func (g *signals) row(ctx context.Context, op record.Op, _, cells []record.Value, _ bool) error {
	if op != record.Create || !slices.Contains(g.st.source.config.SignalChannels, "source") {
		return nil
	}
	a := asked{signal: signal{channel: "source"}}
	if len(cells) < 3 {
		a.broken = fmt.Errorf("the signal table has %d columns, want id, type and data", len(cells))
		return g.take(ctx, a)
	}
	a.signal.id, a.signal.kind, a.signal.data = string(cells[0].B), string(cells[1].B), slices.Clone(cells[2].B)
	if a.signal.kind == "" {
		a.broken = errNoType
	}
	return g.take(ctx, a)
}

// missingSignalTable says how to make a signal table that is not there.
func (s *Source) missingSignalTable(captured []relation) {
	n := s.capture.signal
	if n == (name{}) || slices.ContainsFunc(captured, func(r relation) bool { return n == name{r.schema, r.table} }) {
		return
	}
	table := relation{schema: n.schema, table: n.table}.sql()
	s.log.Warn("the signal table does not exist: no signal comes from there", "table", n.String(),
		"mend", fmt.Sprintf("CREATE TABLE %s (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048)); GRANT SELECT, INSERT, DELETE ON %s TO %s", table, table, identifier(s.config.User)))
}

// progress adds to what the stream reports.
func (g *signals) progress(p *connect.Progress) {
	if len(g.without) > 0 {
		p.Detail += "; joined without their old rows: " + strings.Join(g.without, ", ")
	}
	if len(g.demand.Tables) == 0 {
		return
	}
	verb := "reading"
	if g.demand.Paused {
		verb = "paused at"
	}
	p.Detail += fmt.Sprintf("; incremental snapshot %s %s", verb, g.demand.Tables[0].String())
	if n := len(g.demand.Tables) - 1; n > 0 {
		p.Detail += fmt.Sprintf(", %d more to come", n)
	}
	g.incremental.progress(p)
}

// Signal takes a signal over REST and says what is wrong with it.
func (s *Source) Signal(ctx context.Context, given connect.Signal) error {
	wake := s.wake.Load()
	if wake == nil {
		return fmt.Errorf("%w: the connector does not stream yet", connect.ErrNotNow)
	}
	answer := make(chan error, 1)
	a := asked{signal: signal{id: given.ID, kind: given.Type, data: given.Data, channel: "REST"}, answer: answer, withdrawn: ctx.Done()}
	if a.signal.kind == "" {
		return errNoType
	}
	select {
	case s.inbox <- a:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", connect.ErrNotNow, ctx.Err())
	}
	(*wake)()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: the stream is busy with a blocking snapshot, or waits for Kafka: %w", connect.ErrNotNow, ctx.Err())
	}
}
