package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// batch is a record batch (https://kafka.apache.org/documentation/#recordbatch) of one partition.
// It is filled record by record and sealed when it is sent, when the memory of the records goes to
// another one. It is used again when it is acknowledged.
type batch struct {
	records  *[]byte // encoded, not compressed; nil when the batch is sealed
	length   int     // of records
	count    int32
	first    int64 // timestamp, of which those of the records are differences
	latest   int64 // timestamp
	began    time.Time
	calls    []share
	largest  int // key and value of the largest record, for messages
	key      int
	value    int
	sealed   []byte   // the whole batch as it is sent
	numbered bool     // sealed has its sequence number
	topic    [16]byte // the id of the topic for which it has
	attempts int
}

// share is the part of a call in a batch.
type share struct {
	call *call
	last int32 // the place of its last record in the batch
}

// headSize is how many bytes there are before the records, lengthEnd those that the batch's
// length does not count, and crcEnd those that the checksum does not.
const (
	headSize  = 61
	lengthEnd = 12
	crcEnd    = 21
)

// transactional is the bit in a batch's attributes that says so; the lowest three are the codec.
const transactional = 1 << 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// begin makes b an empty batch, whose records go to the memory of records.
func (b *batch) begin(records *[]byte, now time.Time) {
	clear(b.calls)
	*records = (*records)[:0]
	*b = batch{records: records, calls: b.calls[:0], sealed: b.sealed[:0], began: now}
}

// size is how large the batch is before compression.
func (b *batch) size() int { return headSize + b.length }

// add appends the record of m.
func (b *batch) add(m *Message, timestamp int64) {
	if b.count == 0 {
		b.first, b.latest = timestamp, timestamp
	}
	b.latest = max(b.latest, timestamp)
	if n := len(m.Key) + len(m.Value); n >= b.largest {
		b.largest, b.key, b.value = n, len(m.Key), len(m.Value)
	}
	*b.records = appendRecord(*b.records, m, timestamp-b.first, b.count)
	b.length = len(*b.records)
	b.count++
}

// owe notes that the newest record is one of c.
func (b *batch) owe(c *call) {
	n := len(b.calls)
	if n == 0 || b.calls[n-1].call != c {
		c.left.Add(1)
		b.calls = append(b.calls, share{call: c})
		n++
	}
	b.calls[n-1].last = b.count - 1
}

// appendRecord appends a record as it is within a batch.
func appendRecord(dst []byte, m *Message, delta int64, place int32) []byte {
	dst = binary.AppendVarint(dst, int64(recordSize(m, delta, place)))
	dst = append(dst, 0) // attributes: none are defined
	dst = binary.AppendVarint(dst, delta)
	dst = binary.AppendVarint(dst, int64(place))
	dst = appendBytes(dst, m.Key)
	dst = appendBytes(dst, m.Value)
	dst = binary.AppendVarint(dst, int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		dst = binary.AppendVarint(dst, int64(len(h.Name)))
		dst = append(dst, h.Name...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

// recordSize is how much appendRecord appends after the size itself.
func recordSize(m *Message, delta int64, place int32) int {
	n := 1 + varintSize(delta) + varintSize(int64(place)) + bytesSize(m.Key) + bytesSize(m.Value) + varintSize(int64(len(m.Headers)))
	for i := range m.Headers {
		h := &m.Headers[i]
		n += varintSize(int64(len(h.Name))) + len(h.Name) + bytesSize(h.Value)
	}
	return n
}

// appendBytes appends p after its length; nil is null, which has the length -1.
func appendBytes(dst, p []byte) []byte {
	if p == nil {
		return append(dst, 1)
	}
	return append(binary.AppendVarint(dst, int64(len(p))), p...)
}

func bytesSize(p []byte) int {
	if p == nil {
		return 1
	}
	return varintSize(int64(len(p))) + len(p)
}

// varintSize is how many bytes binary.AppendVarint appends.
func varintSize(n int64) int {
	size := 1
	for u := uint64(n<<1) ^ uint64(n>>63); u >= 0x80; u >>= 7 {
		size++
	}
	return size
}

// seal makes b what is sent, but for the sequence number of its first record, and returns the
// memory of the records. scratch is for those that are compressed.
func (b *batch) seal(c kgo.Compressor, scratch *bytes.Buffer, who producerID, attributes uint16) *[]byte {
	scratch.Reset()
	compressed, codec := c.Compress(scratch, *b.records)
	if codec == kgo.CodecError {
		compressed, codec = *b.records, kgo.CodecNone
	}
	to := append(b.sealed[:0], make([]byte, headSize)...)
	to = append(to, compressed...)
	order := binary.BigEndian
	// The first offset, in the first eight bytes, is the broker's.
	order.PutUint32(to[8:], uint32(len(to)-lengthEnd))
	order.PutUint32(to[12:], math.MaxUint32) // no epoch of the leader
	to[16] = 2                               // the format
	order.PutUint16(to[21:], attributes|uint16(codec))
	order.PutUint32(to[23:], uint32(b.count-1)) // the last record's place
	order.PutUint64(to[27:], uint64(b.first))
	order.PutUint64(to[35:], uint64(b.latest))
	order.PutUint64(to[43:], uint64(who.id))
	order.PutUint16(to[51:], uint16(who.epoch))
	order.PutUint32(to[57:], uint32(b.count))
	b.sealed = to
	records := b.records
	b.records = nil
	return records
}

// number gives the sealed batch the sequence number of its first record.
func (b *batch) number(sequence int32) {
	binary.BigEndian.PutUint32(b.sealed[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b.sealed[17:], crc32.Checksum(b.sealed[crcEnd:], castagnoli))
}
