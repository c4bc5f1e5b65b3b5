package record

// Batch is a run of records in order, and the memory that their values point into. It is filled
// by one goroutine, handed over, and recycled by the runtime when everything in it is durable.
type Batch struct {
	Records []Record

	// Offsets are the source positions that become durable once every record of this batch and
	// of all batches before it is acknowledged. Sources only.
	Offsets []SourceOffset

	// Mark is the source's own number for this batch; it must not fall from batch to batch. Once
	// Offsets are durable the runtime reports it back as SourceTask.Committed.
	Mark uint64

	// Blocks is room for a source to keep its source blocks from batch to batch.
	Blocks any

	failed  []Failure
	skipped int
	changes []Change
	cells   []Value
	headers []Header
	buf     []byte
	full    int // bytes in slabs before buf
}

// Failure is a record of a batch that could not be processed, and why.
type Failure struct {
	Index int // into Records
	Err   error
}

// Reset empties the batch and keeps its memory. Values that point into it are no longer valid.
func (b *Batch) Reset() {
	clear(b.Records)
	b.Records = b.Records[:0]
	b.Offsets = b.Offsets[:0]
	b.Mark = 0
	b.failed = b.failed[:0]
	b.skipped = 0
	b.changes = b.changes[:0]
	b.cells = b.cells[:0]
	clear(b.headers)
	b.headers = b.headers[:0]
	b.buf = b.buf[:0]
	b.full = 0
}

// Add appends an empty record and returns it. The pointer is valid until the next Add.
func (b *Batch) Add() *Record {
	b.Records = append(b.Records, Record{Partition: -1, Timestamp: NoTimestamp})
	return &b.Records[len(b.Records)-1]
}

// Change returns an empty change in the batch's memory.
func (b *Batch) Change() *Change {
	if len(b.changes) == cap(b.changes) {
		// A new slab: pointers into the old one stay valid.
		b.changes = make([]Change, 0, max(64, 2*cap(b.changes)))
	}
	b.changes = append(b.changes, Change{})
	return &b.changes[len(b.changes)-1]
}

// Cells returns n null cells in the batch's memory.
func (b *Batch) Cells(n int) []Value {
	if cap(b.cells)-len(b.cells) < n {
		b.cells = make([]Value, 0, max(1024, 2*cap(b.cells), n))
	}
	at := len(b.cells)
	b.cells = b.cells[:at+n]
	c := b.cells[at : at+n : at+n]
	clear(c)
	return c
}

// Headers returns n empty headers in the batch's memory.
func (b *Batch) Headers(n int) []Header {
	if cap(b.headers)-len(b.headers) < n {
		// A new slab: slices of the old one stay valid.
		b.headers = make([]Header, 0, max(256, 2*cap(b.headers), n))
	}
	at := len(b.headers)
	b.headers = b.headers[:at+n]
	return b.headers[at : at+n : at+n]
}

// Bytes returns a slice of n bytes in the batch's memory; their content is undefined.
func (b *Batch) Bytes(n int) []byte {
	b.grow(n)
	at := len(b.buf)
	b.buf = b.buf[:at+n]
	return b.buf[at : at+n : at+n]
}

// Copy returns a copy of p in the batch's memory.
func (b *Batch) Copy(p []byte) []byte {
	b.grow(len(p))
	at := len(b.buf)
	b.buf = append(b.buf, p...)
	return b.buf[at:len(b.buf):len(b.buf)]
}

// Append lets f append to the batch's memory and returns what it appended. f is given a slice
// with at least room bytes of capacity; when it appends more, the result has memory of its own.
func (b *Batch) Append(room int, f func(dst []byte) []byte) []byte {
	b.grow(room)
	at := len(b.buf)
	out := f(b.buf[at:at:cap(b.buf)])
	if len(out) > 0 && len(out) <= cap(b.buf)-at {
		b.buf = b.buf[:at+len(out)]
	}
	return out[:len(out):len(out)]
}

// Size is the memory that the batch's values use, in bytes: what limits on batches compare with.
func (b *Batch) Size() int { return b.full + len(b.buf) }

func (b *Batch) grow(n int) {
	if cap(b.buf)-len(b.buf) < n {
		b.full += len(b.buf)
		b.buf = make([]byte, 0, max(64<<10, min(2*cap(b.buf), 4<<20), n))
	}
}

// Fail reports that the record at index i cannot be processed. The rest of the batch goes on;
// the runtime decides by errors.tolerance what becomes of the record.
func (b *Batch) Fail(i int, err error) { b.failed = append(b.failed, Failure{i, err}) }

// Skip counts a record that the sink leaves out by its settings, such as a tombstone.
func (b *Batch) Skip() { b.skipped++ }

// Skipped is how many records the sink has left out.
func (b *Batch) Skipped() int { return b.skipped }

// Failed lists the reported records.
func (b *Batch) Failed() []Failure { return b.failed }
