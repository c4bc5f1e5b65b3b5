package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"connectd/record"
)

// transactions is provide.transaction.metadata: the records of the transaction topic, and the
// transaction blocks of the changes. What it has counted is part of the position, so that counting
// goes on after a restart inside of a transaction.
type transactions struct {
	topic  string
	id     uint32
	total  int64
	counts []tableCount // in the order of their first changes
	last   int          // of counts, the one that was counted last
}

// tableCount is how many changes of a table a transaction has.
type tableCount struct {
	table string // schema.table
	n     int64
}

// begin starts to count the transaction, or goes on with what was counted of it.
func (x *transactions) begin(id uint32, counted []tableCount) {
	x.id, x.total, x.last = id, 0, 0
	x.counts = append(x.counts[:0], counted...)
	for _, c := range counted {
		x.total += c.n
	}
}

// count counts a change of the table and returns its number among the table's.
func (x *transactions) count(table string) int64 {
	x.total++
	if x.last >= len(x.counts) || x.counts[x.last].table != table {
		x.last = 0
		for x.last < len(x.counts) && x.counts[x.last].table != table {
			x.last++
		}
		if x.last == len(x.counts) {
			x.counts = append(x.counts, tableCount{table: table})
		}
	}
	x.counts[x.last].n++
	return x.counts[x.last].n
}

// event is the transaction block of a change of the table at lsn.
func (x *transactions) event(b *record.Batch, table string, lsn LSN) record.Datum {
	cells := b.Cells(3)
	cells[2] = record.OfInt(x.count(table))
	cells[0], cells[1] = x.name(b, lsn), record.OfInt(x.total)
	return record.Datum{Schema: transactionSchema, Value: record.OfStruct(cells)}
}

// name is what Debezium calls the transaction in a record at lsn.
func (x *transactions) name(b *record.Batch, lsn LSN) record.Value {
	return record.OfString(b.Append(32, func(dst []byte) []byte {
		return strconv.AppendUint(append(strconv.AppendUint(dst, uint64(x.id), 10), ':'), uint64(lsn), 10)
	}))
}

// add adds a record to the transaction topic.
func (x *transactions) add(b *record.Batch, status string, lsn LSN, count, tables record.Value, tsMicros int64) {
	key, value := b.Cells(1), b.Cells(5)
	key[0] = x.name(b, lsn)
	value[0], value[1], value[2], value[3], value[4] = record.OfText(status), key[0], count, tables, record.OfInt(floorDiv(tsMicros, 1000))
	r := b.Add()
	r.Topic = x.topic
	r.Key = record.Datum{Schema: transactionKey, Value: record.OfStruct(key)}
	r.Value = record.Datum{Schema: transactionValue, Value: record.OfStruct(value)}
}

// opened is called when the changes of a transaction are about to come, the first of them at lsn.
// It writes that the transaction begins, unless that was written before a restart.
func (st *stream) opened(ctx context.Context, lsn LSN) error {
	if err := st.refreshXmin(ctx); err != nil {
		return err
	}
	x := st.out.transactions
	if x == nil || st.past() {
		return nil
	}
	if st.resume.txEnd != 0 && st.resume.txEnd == st.tx.end {
		x.begin(st.tx.id, st.resume.counts)
		return nil
	}
	if err := st.room(ctx); err != nil {
		return err
	}
	x.begin(st.tx.id, nil)
	x.add(st.out.batch, "BEGIN", lsn, record.Value{}, record.Value{}, st.tx.tsMicros)
	// Inside of the transaction, before its first change, which begins at lsn.
	st.tx.lsn, st.tx.same = lsn, 0
	st.advance("BEGIN")
	return nil
}

// closing is called when all changes of a transaction have come; end is that of its commit. It
// writes that the transaction is committed, and how many changes it has.
func (st *stream) closing(ctx context.Context, end LSN) error {
	if st.out.transactions == nil || st.past() {
		return nil
	}
	if err := st.room(ctx); err != nil {
		return err
	}
	x, b := st.out.transactions, st.out.batch
	tables := b.Cells(len(x.counts))
	for i, c := range x.counts {
		cells := b.Cells(2)
		cells[0], cells[1] = record.OfText(c.table), record.OfInt(c.n)
		tables[i] = record.OfStruct(cells)
	}
	x.add(b, "END", end, record.OfInt(x.total), record.OfArray(tables), st.tx.tsMicros)
	return nil
}

var (
	transactionKey = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.TransactionMetadataKey", Version: 1,
		Fields: []record.Field{{Name: "id", Schema: textRequired}}}
	transactionValue = &record.Schema{Type: record.StructType, Name: "io.debezium.connector.common.TransactionMetadataValue", Version: 1,
		Fields: []record.Field{
			{Name: "status", Schema: textRequired}, {Name: "id", Schema: textRequired}, {Name: "event_count", Schema: int64Optional},
			{Name: "data_collections", Schema: &record.Schema{Type: record.ArrayType, Optional: true, Elem: &record.Schema{
				Type: record.StructType, Optional: true, Name: "event.collection", Version: 1,
				Fields: []record.Field{{Name: "data_collection", Schema: textRequired}, {Name: "event_count", Schema: int64Required}},
			}}},
			{Name: "ts_ms", Schema: int64Required},
		}}
)

// countKey begins the keys of a stored offset that say how many changes of a table an open
// transaction has: Debezium's.
const countKey = "transaction_data_collection_order_"

// appendCounts writes the counts into an offset.
func appendCounts(dst []byte, id uint32, counts []tableCount) []byte {
	dst = append(strconv.AppendUint(append(dst, `,"transaction_id":"`...), uint64(id), 10), '"')
	for _, c := range counts {
		dst = append(dst, ',')
		dst = appendJSONString(dst, []byte(countKey+c.table))
		dst = strconv.AppendInt(append(dst, ':'), c.n, 10)
	}
	return dst
}

// parseCounts reads the counts of an offset.
func parseCounts(offset []byte) (counts []tableCount, err error) {
	if !bytes.Contains(offset, []byte(countKey)) {
		return nil, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(offset, &all); err != nil {
		return nil, fmt.Errorf("read the stored offset %s: %w", offset, err)
	}
	for key, value := range all {
		if table, ok := strings.CutPrefix(key, countKey); ok {
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read the stored offset %s: %s: %w", offset, key, err)
			}
			counts = append(counts, tableCount{table, n})
		}
	}
	slices.SortFunc(counts, func(a, b tableCount) int { return strings.Compare(a.table, b.table) })
	return counts, nil
}
