package postgres

import (
	"connectd/record"
)

// output is where one goroutine puts its records: the batch that it fills.
type output struct {
	config  *Config
	headers []record.Header // of every record
	batch   *record.Batch   // nil: an empty one has to be taken first
	blocks  *blocks
	now     int64 // nanoseconds since 1970: when the changes being added were seen

	transactions *transactions // nil without provide.transaction.metadata
}

// take makes b the batch to fill.
func (o *output) take(b *record.Batch) {
	o.batch, o.blocks = b, blocksOf(b)
}

// full says whether the batch has to be sent before more is added.
func (o *output) full() bool {
	return len(o.batch.Records) >= o.config.BatchSize || o.batch.Size() >= maxBatchBytes
}

// change adds the record of one change of t.
func (o *output) change(t *table, op record.Op, key record.Datum, before, after record.Value, k block) *record.Record {
	c := o.batch.Change()
	source := o.blocks.next()
	*source = k
	source.origin = t.origin
	*c = record.Change{Op: op, Table: t.record, Before: before, After: after, Source: source, Time: o.now}
	if o.transactions != nil && op != record.Read {
		c.Transaction = o.transactions.event(o.batch, t.origin.full, k.lsn)
	}
	r := o.batch.Add()
	r.Topic, r.Key, r.Change = t.topic, key, c
	r.Headers = o.headers
	return r
}

// tombstone adds the record that removes key from a compacted topic.
func (o *output) tombstone(t *table, key record.Datum) *record.Record {
	r := o.batch.Add()
	r.Topic, r.Key = t.topic, key
	r.Headers = o.headers
	return r
}

// withHeader puts one more header in front of r's.
func (o *output) withHeader(r *record.Record, name string, value record.Datum) {
	headers := o.batch.Headers(1 + len(o.headers))
	headers[0] = record.Header{Name: name, Value: value}
	copy(headers[1:], o.headers)
	r.Headers = headers
}

// insert, update, remove and truncate write what Debezium writes for each.

func (o *output) insert(t *table, cells []record.Value, k block) {
	o.change(t, record.Create, t.keyOf(o.batch, cells), record.Value{}, t.row(cells), k)
}

// update writes an update; old are the cells before it, nil when the server did not send them.
// full says that old is the whole row. A changed key is a delete of the old key and an insert of
// the new one, each with the other's key in a header.
func (o *output) update(t *table, old, cells []record.Value, full bool, k block, skip *[256]bool) {
	if old != nil && len(t.key) > 0 && !t.sameKey(old, cells) {
		o.rekey(t, old, cells, k, skip)
		return
	}
	if skip[record.Update] {
		return
	}
	if full && o.config.Unchanged && equal(t.row(old), t.row(cells)) {
		return
	}
	before := record.Value{}
	if full {
		before = t.row(old)
	}
	o.change(t, record.Update, t.keyOf(o.batch, cells), before, t.row(cells), k)
}

func (o *output) rekey(t *table, old, cells []record.Value, k block, skip *[256]bool) {
	from, to := t.keyOf(o.batch, old), t.keyOf(o.batch, cells)
	if !skip[record.Delete] {
		o.withHeader(o.change(t, record.Delete, from, t.row(old), record.Value{}, k), "__debezium.newkey", to)
		if o.config.Tombstones {
			o.withHeader(o.tombstone(t, from), "__debezium.newkey", to)
		}
	}
	if !skip[record.Create] {
		o.withHeader(o.change(t, record.Create, to, record.Value{}, t.row(cells), k), "__debezium.oldkey", from)
	}
}

func (o *output) remove(t *table, old []record.Value, k block) {
	key := t.keyOf(o.batch, old)
	o.change(t, record.Delete, key, t.row(old), record.Value{}, k)
	if o.config.Tombstones && t.record.Key != nil {
		o.tombstone(t, key)
	}
}

func (o *output) truncate(t *table, k block) {
	o.change(t, record.Truncate, record.Datum{}, record.Value{}, record.Value{}, k)
}
