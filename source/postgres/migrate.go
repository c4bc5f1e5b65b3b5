package postgres

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"connectd/connect"
)

var _ connect.Mover = (*Source)(nil)

// Partition is Debezium's source partition, which is ours too.
func (s *Source) Partition() []byte { return s.partition }

// TakeOver makes our offset of Debezium's. It refuses where changes would be left out.
func (s *Source) TakeOver(ctx context.Context, offset []byte) (connect.Move, error) {
	var m connect.Move
	if offset == nil {
		return m, fmt.Errorf("there is no offset of partition %s; check the connector's name and topic.prefix, and that the connector has ever run (one that never has needs no take-over: connectd begins by snapshot.mode)", s.partition)
	}
	p, err := parsePosition(offset)
	if err != nil {
		return m, err
	}
	c := newCatalog(s)
	defer c.Close()
	k, err := s.slot(ctx, c)
	if err != nil {
		return m, s.classify(err)
	}
	m.Busy = k.busy(s.config.Slot)
	d, err := parseDemand(offset)
	if err != nil {
		return m, err
	}
	if len(d.Tables) > 0 {
		m.Note("an incremental snapshot of %s is under way: connectd goes on with it, %s", d.Tables[0].name(), d.Tables[0].where())
	}
	if p.unfinished() {
		m.Note("its snapshot was not finished: connectd takes it again from the first row, and then streams%s", s.from(k))
		m.Offset = p.with(nil, d.append(nil))
		return m, nil
	}
	start, gap := s.reconcile(&p, k)
	if gap != nil {
		return m, fmt.Errorf("%w; a new snapshot is needed: start connectd with snapshot.mode when_needed", gap)
	}
	m.Notes = append(m.Notes, s.resumed(p, start, k)...)
	if _, exists, err := s.publication(ctx, c); err != nil {
		return m, err
	} else if !exists {
		m.Note("publication %q does not exist: changes from before it is created are not published; create it before anything is written", s.config.Publication)
	}
	start.txID, start.tsMicros, start.message = p.txID, p.tsMicros, p.message
	m.Offset = start.with(nil, d.append(nil))
	return m, nil
}

// from says where a stream begins that has no position of its own.
func (s *Source) from(k slot) string {
	if k.missing || k.lost {
		return fmt.Sprintf("; slot %q is created anew", s.config.Slot)
	}
	return fmt.Sprintf(" from where slot %q is, %s", s.config.Slot, k.confirmed)
}

// resumed says where the stream goes on after Debezium's position p, and what comes twice.
func (s *Source) resumed(p, start position, k slot) []string {
	var m connect.Move
	at := ""
	if p.tsMicros != 0 {
		at = ", of " + time.UnixMicro(p.tsMicros).UTC().Format(time.RFC3339)
	}
	m.Note("no new snapshot: the stream goes on at %s, the end of the last transaction that was delivered whole; the last change that was delivered is at %s%s", start.commit, p.lsn, at)
	switch {
	case start.commit != p.commit:
		m.Note("that is where slot %q is: what was changed from there on is sent, also if it was sent before", s.config.Slot)
	case p.message != "COMMIT":
		m.Note("nothing says that the transaction of that change was delivered whole: it comes again, from its first change")
	}
	m.Note("if Kafka Connect did not stop in good order, what it has sent since it last stored its offset (offset.flush.interval.ms, 60 s by default) comes a second time")
	m.Note("%s of WAL are to be read", about(int64(k.walEnd-min(start.commit, k.walEnd))))
	return m.Notes
}

// GiveBack makes Debezium's offset of ours: the end of the last transaction that is durable whole.
func (s *Source) GiveBack(ctx context.Context, offset []byte) (connect.Move, error) {
	var m connect.Move
	if offset == nil {
		return m, fmt.Errorf("connectd has no offset of partition %s; check the connector's name and topic.prefix", s.partition)
	}
	p, err := parsePosition(offset)
	if err != nil {
		return m, err
	}
	c := newCatalog(s)
	defer c.Close()
	k, err := s.slot(ctx, c)
	if err != nil {
		return m, s.classify(err)
	}
	m.Busy = k.busy(s.config.Slot)
	if p.unfinished() {
		m.Note("our snapshot was not finished: Debezium takes it again from the first row")
		m.Offset = offset
		return m, nil
	}
	switch {
	case k.missing:
		return m, fmt.Errorf("slot %q does not exist any more: Debezium could not go on", s.config.Slot)
	case k.lost:
		return m, s.lost(k)
	case k.confirmed > p.commit:
		return m, fmt.Errorf("slot %q is at %s and our offset at %s: what changed between them cannot be read", s.config.Slot, k.confirmed, p.commit)
	}
	m.Note("Debezium goes on at %s, the end of the last transaction that was delivered whole", p.commit)
	if p.txEnd != 0 {
		m.Note("the transaction that ends at %s was delivered in part: it comes again, from its first change", p.txEnd)
	}
	d, err := parseDemand(offset)
	if err != nil {
		return m, err
	}
	if len(d.Tables) > 0 {
		m.Note("an incremental snapshot of %s is under way: Debezium begins that table again", d.Tables[0].name())
	}
	m.Note("use Debezium 3.7 or newer: older ones take the first change behind a commit for the last one that they have sent, and leave it out")
	end := position{commit: p.commit, lsn: p.commit, txID: p.txID, tsMicros: p.tsMicros, message: "COMMIT"}
	m.Offset = end.with(nil, d.append(nil))
	return m, nil
}

// busy says who reads the slot; "" for nobody.
func (k slot) busy(name string) string {
	if k.pid == 0 {
		return ""
	}
	return fmt.Sprintf("slot %q is read by PID %d (%s)", name, k.pid, cmp.Or(k.reader, "without a name"))
}
