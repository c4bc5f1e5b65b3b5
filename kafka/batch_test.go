package kafka

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// readBatch reads a sealed batch with the client library's own code.
func readBatch(t *testing.T, sealed []byte) (kmsg.RecordBatch, []Message) {
	t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(sealed); err != nil {
		t.Fatal(err)
	}
	if int(b.Length) != len(sealed)-12 {
		t.Errorf("length %d of a batch of %d bytes", b.Length, len(sealed))
	}
	if want := crc32.Checksum(sealed[21:], crc32.MakeTable(crc32.Castagnoli)); uint32(b.CRC) != want {
		t.Errorf("checksum %x, want %x", uint32(b.CRC), want)
	}
	raw, err := kgo.DefaultDecompressor().Decompress(b.Records, kgo.CompressionCodecType(b.Attributes&7))
	if err != nil {
		t.Fatal(err)
	}
	var msgs []Message
	for len(raw) > 0 {
		size, n := binary.Varint(raw)
		end := n + int(size)
		var r kmsg.Record
		if n <= 0 || end > len(raw) || r.ReadFrom(raw[:end]) != nil {
			t.Fatalf("record %d of %d can not be read", len(msgs), b.NumRecords)
		}
		if int(r.OffsetDelta) != len(msgs) {
			t.Errorf("record %d says that it is the one at %d", len(msgs), r.OffsetDelta)
		}
		m := Message{Timestamp: b.FirstTimestamp + r.TimestampDelta64, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, Header{h.Key, h.Value})
		}
		msgs = append(msgs, m)
		raw = raw[end:]
	}
	if len(msgs) != int(b.NumRecords) || int(b.LastOffsetDelta) != len(msgs)-1 {
		t.Errorf("%d records; the batch says %d, and %d for the last", len(msgs), b.NumRecords, b.LastOffsetDelta)
	}
	return b, msgs
}

// anyMessage is a message of random shape: nil and empty keys and values, headers, any timestamp.
func anyMessage(r *rand.Rand) Message {
	some := func() []byte {
		n := []int{-1, 0, 1, 60, 64, 130, 20_000}[r.IntN(7)]
		if n < 0 {
			return nil
		}
		return bytes.Repeat([]byte{byte('a' + r.IntN(26))}, n)
	}
	m := Message{Timestamp: r.Int64N(math.MaxInt64), Key: some(), Value: some()}
	if r.IntN(2) == 0 {
		m.Timestamp = 1_700_000_000_000 + r.Int64N(100)
	}
	for range r.IntN(3) {
		m.Headers = append(m.Headers, Header{string(some()), some()})
	}
	return m
}

func TestBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var b batch
	var scratch bytes.Buffer
	records := new([]byte)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		c, err := newCompressor(codec)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			b.begin(records, time.Now())
			sent := make([]Message, 1+r.IntN(40))
			latest := int64(0)
			for i := range sent {
				sent[i] = anyMessage(r)
				b.add(&sent[i], sent[i].Timestamp)
				latest = max(latest, sent[i].Timestamp)
				before := b.size()
				if n := maxRecordSize(&sent[i]); before > headSize+n*(i+1)*20_000 {
					t.Fatalf("a record larger than maxRecordSize says")
				}
			}
			if records = b.seal(c, &scratch, producerID{7, 3}, transactional); b.records != nil {
				t.Fatal("a sealed batch has memory for records")
			}
			b.number(math.MaxInt32)
			h, got := readBatch(t, b.sealed)
			if !reflect.DeepEqual(got, sent) {
				t.Fatalf("%s: got %v\nwant %v", codec, got, sent)
			}
			if h.ProducerID != 7 || h.ProducerEpoch != 3 || h.FirstSequence != math.MaxInt32 || h.Magic != 2 || h.Attributes&transactional == 0 || h.MaxTimestamp != latest || h.FirstOffset != 0 {
				t.Fatalf("head is %+v", h)
			}
		}
	}
}

// TestMaxRecordSize is the bound that decides whether a record still fits.
func TestMaxRecordSize(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		m := anyMessage(r)
		got := len(appendRecord(nil, &m, math.MinInt64, math.MaxInt32))
		if got > maxRecordSize(&m) {
			t.Fatalf("%d bytes for %+v, bound %d", got, m, maxRecordSize(&m))
		}
	}
}

func TestFollowing(t *testing.T) {
	for _, c := range []struct{ sequence, n, want int32 }{
		{0, 1, 1}, {math.MaxInt32 - 1, 1, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 2, 10, 7},
	} {
		if got := following(c.sequence, c.n); got != c.want {
			t.Errorf("%d records after %d: got %d, want %d", c.n, c.sequence, got, c.want)
		}
	}
}
