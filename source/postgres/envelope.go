package postgres

import (
	"strconv"

	"connectd/record"
)

// formatVersion is the release of Debezium whose format is written: consumers know the source
// block's version.
const formatVersion = "3.6.1.Final"

var (
	int64Optional = &record.Schema{Type: record.Int64Type, Optional: true}
	textOptional  = &record.Schema{Type: record.StringType, Optional: true}
	textRequired  = &record.Schema{Type: record.StringType}
	int64Required = &record.Schema{Type: record.Int64Type}
)

// sourceSchema is the schema of the source block.
var sourceSchema = newSourceSchema()

func newSourceSchema() *record.Schema {
	notSnapshot := record.OfText("false")
	snapshot := &record.Schema{
		Type: record.StringType, Optional: true, Name: record.EnumName, Version: 1, Default: &notSnapshot,
		Params: []record.Param{{Name: "allowed", Value: "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"}},
	}
	return &record.Schema{
		Type: record.StructType, Name: "io.debezium.connector.postgresql.Source", Version: 1,
		Fields: []record.Field{
			{Name: "version", Schema: textRequired}, {Name: "connector", Schema: textRequired},
			{Name: "name", Schema: textRequired}, {Name: "ts_ms", Schema: int64Required},
			{Name: "snapshot", Schema: snapshot}, {Name: "db", Schema: textRequired},
			{Name: "sequence", Schema: textOptional}, {Name: "ts_us", Schema: int64Optional},
			{Name: "ts_ns", Schema: int64Optional}, {Name: "schema", Schema: textRequired},
			{Name: "table", Schema: textRequired}, {Name: "txId", Schema: int64Optional},
			{Name: "lsn", Schema: int64Optional}, {Name: "xmin", Schema: int64Optional},
			{Name: "origin", Schema: textOptional}, {Name: "origin_lsn", Schema: int64Optional},
		},
	}
}

// transactionSchema is the schema of the envelope's transaction block.
var transactionSchema = &record.Schema{
	Type: record.StructType, Optional: true, Name: "event.block", Version: 1,
	Fields: []record.Field{
		{Name: "id", Schema: textRequired},
		{Name: "total_order", Schema: int64Required},
		{Name: "data_collection_order", Schema: int64Required},
	},
}

// envelopeSchema is the schema of the changes of the table called full, whose rows are row.
func envelopeSchema(full string, row *record.Schema) *record.Schema {
	return &record.Schema{
		Type: record.StructType, Name: full + ".Envelope", Version: 2,
		Fields: []record.Field{
			{Name: "before", Schema: row}, {Name: "after", Schema: row},
			{Name: "source", Schema: sourceSchema}, {Name: "transaction", Schema: transactionSchema},
			{Name: "op", Schema: textRequired}, {Name: "ts_ms", Schema: int64Optional},
			{Name: "ts_us", Schema: int64Optional}, {Name: "ts_ns", Schema: int64Optional},
		},
	}
}

// origin is what the source blocks of all changes of a table share.
type origin struct {
	version, connector, name, db, schema, table record.Value
	full                                        string // schema.table
}

func newOrigin(c *Config, schema, table string) *origin {
	return &origin{
		version: record.OfText(formatVersion), connector: record.OfText("postgresql"), name: record.OfText(c.Prefix),
		db: record.OfText(c.Database), schema: record.OfText(schema), table: record.OfText(table),
		full: schema + "." + table,
	}
}

// The values of a source block's snapshot field.
var (
	streamed          = record.OfText("false")
	snapshotRow       = record.OfText("true")
	snapshotFirst     = record.OfText("first")
	snapshotFirstHere = record.OfText("first_in_data_collection")
	snapshotLastHere  = record.OfText("last_in_data_collection")
	snapshotLast      = record.OfText("last")

	snapshotIncremental = record.OfText("incremental")
)

// block is the source block of one change.
type block struct {
	origin   *origin
	snapshot *record.Value
	lsn      LSN    // of the change
	commit   LSN    // end of the transaction before; 0 for none yet
	tsMicros int64  // commit time, or when the snapshot was taken
	txID     uint32 // 0 for none
	unplaced bool   // it is no change: lsn and txID mean nothing
	xmin     int64  // 0 for none
	from     *replicated

	// sequence is room for the text `["commit","lsn"]`, so that Append allocates nothing.
	sequence [48]byte
}

// Schema describes the block.
func (k *block) Schema() *record.Schema { return sourceSchema }

// Append appends the block's values.
func (k *block) Append(dst []record.Value) []record.Value {
	lsn := record.OfInt(int64(k.lsn))
	if k.unplaced {
		lsn = record.Value{}
	}
	dst = append(dst,
		k.origin.version, k.origin.connector, k.origin.name, record.OfInt(floorDiv(k.tsMicros, 1000)),
		*k.snapshot, k.origin.db, record.OfString(k.appendSequence(k.sequence[:0])),
		record.OfInt(k.tsMicros), record.OfInt(k.tsMicros*1000), k.origin.schema, k.origin.table,
		orNull(int64(k.txID)), lsn, orNull(k.xmin))
	if k.from == nil {
		return append(dst, record.Value{}, record.Value{})
	}
	return append(dst, k.from.name, record.OfInt(int64(k.from.lsn)))
}

// orNull is n, or Null when there is none.
func orNull(n int64) record.Value {
	if n == 0 {
		return record.Value{}
	}
	return record.OfInt(n)
}

func (k *block) appendSequence(dst []byte) []byte {
	if k.commit == 0 {
		dst = append(dst, `[null,"`...)
	} else {
		dst = append(strconv.AppendUint(append(dst, `["`...), uint64(k.commit), 10), `","`...)
	}
	if k.unplaced {
		return append(dst[:len(dst)-1], `null]`...)
	}
	return append(strconv.AppendUint(dst, uint64(k.lsn), 10), `"]`...)
}

// blocks is a batch's room for source blocks. Pointers into it stay valid until it is reset.
type blocks struct{ slab []block }

// blocksOf is the empty room of an empty batch.
func blocksOf(b *record.Batch) *blocks {
	room, ok := b.Blocks.(*blocks)
	if !ok {
		room = &blocks{}
		b.Blocks = room
	}
	room.slab = room.slab[:0]
	return room
}

func (r *blocks) next() *block {
	if len(r.slab) == cap(r.slab) {
		r.slab = make([]block, 0, max(64, 2*cap(r.slab)))
	}
	r.slab = r.slab[:len(r.slab)+1]
	return &r.slab[len(r.slab)-1]
}
