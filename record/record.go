package record

// Datum is a value with the schema that describes it. A nil Schema with a Null value is Kafka's
// null; a nil Schema with another value is data without a schema, such as a string or a number.
type Datum struct {
	Schema *Schema
	Value  Value
}

// IsNull says whether the datum is Kafka's null (no bytes at all).
func (d Datum) IsNull() bool { return d.Schema == nil && d.Value.Kind == Null }

// Header is a record header. Names may repeat.
type Header struct {
	Name  string
	Value Datum
}

// NoTimestamp leaves the record's timestamp to the producer.
const NoTimestamp int64 = -1

// Record is one event on its way from a source to Kafka, or from Kafka to a sink.
type Record struct {
	Topic     string
	Partition int32 // source: -1 lets the key choose; sink: where the record was read
	Offset    int64 // sink: the record's offset; source: unused
	Timestamp int64 // milliseconds since 1970, or NoTimestamp
	Key       Datum
	Value     Datum
	Headers   []Header

	// Change is set by change-data-capture sources: the value is then this change, written as
	// Debezium's envelope, and Value is empty. Unwrapping sets Value and clears Change.
	Change *Change

	// RawKey and RawValue are the bytes that a sink's record was decoded from. A transform that
	// changes the key or the value sets the matching one to nil.
	RawKey, RawValue []byte
}

// Op is what happened to a row: Debezium's letters.
type Op byte

const (
	Create   Op = 'c'
	Update   Op = 'u'
	Delete   Op = 'd'
	Read     Op = 'r' // from a snapshot
	Truncate Op = 't'
	Message  Op = 'm'
)

// Change is one change of a captured table.
type Change struct {
	Op            Op
	Table         *Table
	Before, After Value // rows of Table.Row, or Null
	Source        Block // the envelope's source block
	Transaction   Datum // the envelope's transaction block, or null
	Time          int64 // when the connector saw it, nanoseconds since 1970
}

// Table is what all changes of one version of a table share.
type Table struct {
	Row      *Schema // of before and after, optional
	Key      *Schema // nil without a key
	Envelope *Schema // of the whole value: before, after, source, transaction, op, ts_ms, ts_us, ts_ns
}

// Block is the part of an envelope that a source fills with its own facts: positions, names, times.
type Block interface {
	// Schema describes the block, a struct.
	Schema() *Schema
	// Append appends one value for each field of the schema to dst. The values live as long as
	// the record's batch.
	Append(dst []Value) []Value
}
