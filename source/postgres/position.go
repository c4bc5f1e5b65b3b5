package postgres

import (
	"encoding/json"
	"fmt"
	"strconv"

	"connectd/record"
)

// position says up to where the changes are in a batch, by transactions: everything before
// commit, and of the transaction that ends at txEnd (if any) every change up to lsn, of which
// sameLSN changes have that very LSN. A change's LSN alone is no position: the rows of one COPY
// share it, and a commit may end where the next transaction begins.
type position struct {
	commit  LSN // end of the last whole transaction: where the stream starts
	lsn     LSN // of the last event
	txEnd   LSN // commit LSN of the transaction in which the batch ends, or 0
	sameLSN int // changes at lsn that are done, in an open transaction

	txID     uint32
	tsMicros int64 // commit time of the transaction
	message  string

	counts []tableCount // with provide.transaction.metadata: of the open transaction

	snapshot string // "", or Debezium's INITIAL while and directly after a snapshot
	done     bool   // snapshot completed
	tables   string // what is read of an unfinished snapshot: see snapshotState
	loose    bool   // Debezium's, after a snapshot and before the first change: the slot says where to start

	timeline timeline // in whose WAL all this is
}

// storedOffset is a position in Debezium's JSON form, with our keys for a position inside a
// transaction and inside a snapshot, and for the server. Their values are numbers and strings, as Kafka Connect demands.
type storedOffset struct {
	LSN       *uint64         `json:"lsn"`
	Proc      *uint64         `json:"lsn_proc"`
	Commit    *uint64         `json:"lsn_commit"`
	TxID      *uint32         `json:"txId"`
	TS        *int64          `json:"ts_usec"`
	Message   string          `json:"messageType"`
	Snapshot  json.RawMessage `json:"snapshot"`
	Completed bool            `json:"snapshot_completed"`
	Last      bool            `json:"last_snapshot_record"`
	TxEnd     uint64          `json:"connectd_tx_lsn"`
	SameLSN   int             `json:"connectd_tx_events"`
	Tables    string          `json:"connectd_snapshot"`
	Timeline  string          `json:"connectd_timeline"`
}

// parsePosition reads a stored offset, ours or Debezium's.
func parsePosition(offset []byte) (position, error) {
	var o storedOffset
	err := json.Unmarshal(offset, &o)
	if err != nil {
		return position{}, fmt.Errorf("read the stored offset %s: %w", offset, err)
	}
	var p position
	for _, lsn := range []*uint64{o.Commit, o.Proc, o.LSN} {
		if lsn != nil {
			// A value inside of a transaction is harmless: PostgreSQL sends every
			// transaction that commits after it, whole.
			p.commit = LSN(*lsn)
			break
		}
	}
	if p.commit == 0 {
		return position{}, fmt.Errorf("read the stored offset %s: it has no lsn", offset)
	}
	if o.LSN != nil {
		p.lsn = LSN(*o.LSN)
	}
	if o.TxID != nil {
		p.txID = *o.TxID
	}
	if o.TS != nil {
		p.tsMicros = *o.TS
	}
	p.message = o.Message
	p.txEnd, p.sameLSN = LSN(o.TxEnd), o.SameLSN
	p.timeline = parseTimeline(o.Timeline)
	if p.counts, err = parseCounts(offset); err != nil {
		return position{}, err
	}
	if len(o.Snapshot) > 0 && string(o.Snapshot) != "null" && string(o.Snapshot) != "false" {
		p.snapshot = "INITIAL"
		p.done = o.Completed || o.Last && o.Snapshot[0] == 't' // older versions: snapshot true
		if !p.done {
			p.tables = o.Tables
		}
		// Its lsn is where the WAL ended when the snapshot was read. The snapshot shows what was
		// committed before the slot was made, which is earlier.
		p.loose = p.done && o.Commit == nil
	}
	return p, nil
}

// unfinished says whether the position is in the middle of a snapshot.
func (p position) unfinished() bool { return p.snapshot != "" && !p.done }

// append writes p in the form that parsePosition reads.
func (p *position) append(dst []byte) []byte {
	dst = append(dst, `{"lsn":`...)
	dst = strconv.AppendUint(dst, uint64(p.lsn), 10)
	if p.snapshot != "" {
		dst = append(dst, `,"snapshot":"`...)
		dst = append(dst, p.snapshot...)
		dst = append(dst, `","snapshot_completed":`...)
		dst = strconv.AppendBool(dst, p.done)
		dst = append(dst, `,"last_snapshot_record":`...)
		dst = strconv.AppendBool(dst, p.done)
		if p.tables != "" {
			dst = append(dst, `,"connectd_snapshot":"`...)
			dst = append(append(dst, p.tables...), '"')
		}
	} else {
		dst = append(dst, `,"lsn_proc":`...)
		dst = strconv.AppendUint(dst, uint64(p.lsn), 10)
	}
	dst = append(dst, `,"lsn_commit":`...)
	dst = strconv.AppendUint(dst, uint64(p.commit), 10)
	if p.message != "" {
		dst = append(dst, `,"messageType":"`...)
		dst = append(dst, p.message...)
		dst = append(dst, '"')
	}
	if p.txID != 0 {
		dst = append(dst, `,"txId":`...)
		dst = strconv.AppendUint(dst, uint64(p.txID), 10)
	}
	if p.tsMicros != 0 {
		dst = append(dst, `,"ts_usec":`...)
		dst = strconv.AppendInt(dst, p.tsMicros, 10)
	}
	if p.txEnd != 0 {
		dst = append(dst, `,"connectd_tx_lsn":`...)
		dst = strconv.AppendUint(dst, uint64(p.txEnd), 10)
		dst = append(dst, `,"connectd_tx_events":`...)
		dst = strconv.AppendInt(dst, int64(p.sameLSN), 10)
	}
	if p.txEnd != 0 && len(p.counts) > 0 {
		dst = appendCounts(dst, p.txID, p.counts)
	}
	if p.timeline.system != "" {
		dst = append(p.timeline.append(append(dst, `,"`+timelineKey+`":"`...)), '"')
	}
	return append(dst, '}')
}

// with is append with further keys, each with a comma in front.
func (p *position) with(dst, more []byte) []byte {
	dst = append(p.append(dst), more...)
	if len(more) > 0 {
		copy(dst[len(dst)-len(more)-1:], more) // the brace goes behind them
		dst[len(dst)-1] = '}'
	}
	return dst
}

// partition is the source partition of the connector's one offset.
func partition(prefix string) []byte {
	name, err := json.Marshal(prefix)
	if err != nil {
		panic(err) // a string always marshals
	}
	return append(append([]byte(`{"server":`), name...), '}')
}

// stamp gives b the position that is durable once b is. more are further keys of the stored
// offset, each with a comma in front.
func (s *Source) stamp(b *record.Batch, p *position, more []byte) {
	const room = 384
	p.timeline = s.timeline
	offset := b.Append(room+len(more), func(dst []byte) []byte { return p.with(dst, more) })
	b.Offsets = append(b.Offsets, record.SourceOffset{Partition: s.partition, Offset: offset})
	b.Mark = uint64(p.commit)
}
