package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"connectd/connect"
	"connectd/record"
)

// Source reads one database.
type Source struct {
	config    *Config
	env       connect.Env
	log       *slog.Logger
	capture   *capture
	forms     *forms
	partition []byte          // of the stored offset
	timeline  timeline        // that is read
	failover  bool            // create the slot as a failover slot: wanted, and the server can
	viaRoot   bool            // changes of partitions come as changes of the partitioned table
	protocol  []string        // options of START_REPLICATION that the server's version decides
	headers   []record.Header // of every record

	joined []relation             // tables that were put into the publication after the first start
	demand *demand                // what is asked for beside the stream
	inbox  chan asked             // signals that wait for the stream
	wake   atomic.Pointer[func()] // makes the stream look at inbox; nil while it does not run

	masks                   []maskRule
	columnTypes, dataTypes  patterns // columns whose schemas tell of the database
	schemaNames, fieldNames adjuster
	reselectIn, reselectOut patterns

	messages *messages
	noTable  *origin // of source blocks that belong to no table

	identities []identityRule

	backlogFrom, backlogSpan LSN // see next
}

// New makes the source that c describes.
func New(c *Config, e connect.Env) (connect.Source, error) {
	w, err := newCapture(c)
	if err != nil {
		return nil, err
	}
	f, err := newForms(c)
	if err != nil {
		return nil, fmt.Errorf("unavailable.value.placeholder: %w", err)
	}
	s := &Source{config: c, env: e, log: e.Log, capture: w, forms: f, partition: partition(c.Prefix), viaRoot: c.ViaRoot, noTable: newOrigin(c, "", ""), backlogFrom: backlogFrom, backlogSpan: backlogSpan}
	s.demand, s.inbox = &demand{}, make(chan asked, inboxSize)
	if s.messages, err = newMessages(c, f); err != nil {
		return nil, fmt.Errorf("message.prefix.include.list, message.prefix.exclude.list: %w", err)
	}
	if err := s.shapeColumns(); err != nil {
		return nil, err
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.identities, err = parseIdentities(c.Identities); err != nil {
		return nil, fmt.Errorf("replica.identity.autoset.values: %w", err)
	}
	if c.Headers {
		s.headers = contextHeaders(c, e)
	}
	return s, nil
}

// shapeColumns prepares what is done to columns.
func (s *Source) shapeColumns() (err error) {
	c := s.config
	s.masks = c.maskRules(func(key string, wrong error) { err = fmt.Errorf("%s: %w", key, wrong) })
	if err != nil {
		return err
	}
	for _, l := range []struct {
		key  string
		list []string
		into *patterns
	}{
		{"column.propagate.source.type", c.ColumnTypes, &s.columnTypes}, {"datatype.propagate.source.type", c.DataTypes, &s.dataTypes},
		{"reselector.reselect.columns.include.list", c.ReselectIn, &s.reselectIn},
		{"reselector.reselect.columns.exclude.list", c.ReselectOut, &s.reselectOut},
	} {
		if *l.into, err = newPatterns(l.list); err != nil {
			return fmt.Errorf("%s: %w", l.key, err)
		}
	}
	s.schemaNames, s.fieldNames = adjuster{c.SchemaNames, true}, adjuster{c.FieldNames, false}
	return nil
}

// contextHeaders are Debezium's headers of every record.
func contextHeaders(c *Config, e connect.Env) []record.Header {
	text := func(name, value string) record.Header {
		return record.Header{Name: "__debezium.context." + name, Value: record.Datum{Schema: textRequired, Value: record.OfText(value)}}
	}
	return []record.Header{
		text("connectorLogicalName", c.Prefix), text("taskId", strconv.Itoa(e.Task)),
		text("connectorName", "postgresql"), text("runId", rand.Text()),
	}
}

// Run reads until ctx is done: a snapshot if the mode and the stored offset ask for one, then
// the stream.
func (s *Source) Run(ctx context.Context, t *connect.SourceTask) error {
	err := s.run(ctx, t)
	if err == nil || errors.Is(err, errStopped) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return s.classify(err)
}

// errStopped says that ctx was done before there was anything to drain.
var errStopped = errors.New("stopped")

func (s *Source) run(ctx context.Context, t *connect.SourceTask) error {
	t.Report(connect.Progress{Phase: "starting", Detail: "connecting to " + s.config.address()})
	catalog := newCatalog(s)
	defer catalog.Close()
	server, err := s.server(ctx, catalog)
	if err != nil {
		return err
	}
	tables, err := s.tables(ctx, catalog)
	if err != nil {
		return err
	}
	stored, err := s.stored(t)
	if err != nil {
		return err
	}
	if !s.config.streams() {
		return s.snapshotOnly(ctx, t, catalog, tables, stored)
	}
	foreign, err := s.identify(ctx, stored)
	if err != nil {
		return err
	}
	if err := s.publish(ctx, catalog, tables); err != nil {
		return err
	}
	if err := s.setIdentities(ctx, catalog, tables); err != nil {
		return err
	}
	slot, err := s.settledSlot(ctx, catalog)
	if err != nil {
		return err
	}
	slot.foreign = foreign
	plan, err := s.plan(stored, slot)
	if err != nil {
		return err
	}
	if plan.snapshot || stored == nil {
		s.joined = nil // nothing was streamed without them
	}
	defer s.guard(ctx, t)()
	if plan.snapshot {
		if plan.start, err = s.takeSnapshot(ctx, t, catalog, tables, plan, slot); err != nil {
			return err
		}
		if err := pause(ctx, s.config.StreamLag); err != nil {
			return err
		}
	} else if slot.missing {
		if plan.start, err = s.firstSlot(ctx); err != nil {
			return err
		}
	}
	return s.stream(ctx, t, catalog, server, plan)
}

// stored is the position to go on from; nil when there is none.
func (s *Source) stored(t *connect.SourceTask) (*position, error) {
	offset := t.Offset(string(s.partition))
	if offset == nil {
		return nil, nil
	}
	var err error
	if s.demand, err = parseDemand(offset); err != nil {
		return nil, connect.Permanent(err)
	}
	p, err := parsePosition(offset)
	if err != nil {
		return nil, connect.Permanent(err)
	}
	return &p, nil
}

// plan says how to begin.
type plan struct {
	snapshot bool
	tables   string   // what an interrupted snapshot has read: see snapshotState
	start    position // of the stream; when there is a snapshot, of the one that follows it
}

// plan decides by the mode, the stored position and the slot. A gap between the position and the
// slot is an error unless the mode allows to read the tables again.
func (s *Source) plan(stored *position, slot slot) (plan, error) {
	// Of a slot that was there before an interrupted snapshot nothing is skipped: rows that the
	// first attempt sent and that were deleted since are in its changes.
	p := plan{snapshot: s.config.takes(stored), start: position{commit: slot.confirmed, lsn: slot.confirmed}}
	if stored != nil && slot.standby && stored.commit > slot.walEnd {
		return p, fmt.Errorf("the standby has replayed the WAL up to %s, and the stored offset is at %s; waiting for it", slot.walEnd, stored.commit)
	}
	moved := stored != nil && stored.left(s.timeline)
	if moved {
		s.demand.again()
	}
	if stored != nil && stored.unfinished() {
		if !p.snapshot {
			return p, connect.Permanent(fmt.Errorf("the stored offset is in the middle of a snapshot, and snapshot.mode %s takes none; set snapshot.mode to initial, or delete the connector's offset to stream from slot %q without a snapshot", s.config.Mode, s.config.Slot))
		}
		if p.tables = stored.tables; p.tables != "" && (slot.missing || slot.lost || slot.confirmed > stored.commit || moved) {
			s.log.Warn("reading all tables again: the slot does not have the changes since the interrupted snapshot any more, or the server is another one; rows that were deleted since stay in the topics", "slot", s.config.Slot)
			p.tables = ""
		}
	}
	start, gap := s.reconcile(stored, slot)
	switch {
	case gap == nil && stored != nil && !stored.unfinished():
		p.start = start
	case gap == nil:
	case !s.config.mends():
		return p, connect.Permanent(fmt.Errorf("%w; set snapshot.mode to when_needed to read the tables again, or delete the connector's offset", gap))
	default:
		s.log.Warn("changes are lost, reading the tables again", "err", gap)
		p.snapshot, p.start = true, position{commit: slot.confirmed, lsn: slot.confirmed}
	}
	return p, nil
}

// pause waits, or ends with errStopped.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errStopped
	}
}

// guarded makes d obey event.converting.failure.handling.mode for the column.
func (s *Source) guarded(column string, d decoder) decoder {
	if s.config.OnFailure == "fail" {
		return d
	}
	var once sync.Once
	return func(v *record.Value, b *record.Batch, text []byte) error {
		err := d(v, b, text)
		if !errors.Is(err, errNoForm) {
			return err
		}
		if s.config.OnFailure == "warn" {
			once.Do(func() { s.log.Warn("writing null", "column", column, "err", err) })
		}
		*v = record.Value{}
		return nil
	}
}
