package sinktask

import (
	"fmt"
	"testing"

	"connectd/kafka"
)

const benchChunk = 1000

// BenchmarkSinkTake is what a record costs from the fetched message to the writer.
func BenchmarkSinkTake(b *testing.B) {
	p := benchPartition(b, "batch.max.rows", "1000000000", "batch.max.bytes", "1000GB")
	msgs := make([]kafka.Message, benchChunk)
	value := `{"id":4711,"user_id":12,"kind":"checkout","amount":"123.45","payload":"{\"ip\": \"10.0.0.1\", \"path\": \"/products/4711\", \"agent\": \"Mozilla/5.0 (X11; Linux x86_64)\"}","created_at":"2026-11-21T10:00:00.123456Z"}`
	for i := range msgs {
		msgs[i] = kafka.Message{Topic: "numbers", Key: fmt.Appendf(nil, `{"id":%d}`, i), Value: []byte(value), Timestamp: 1_700_000_000_000}
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(value)))
	offset := int64(0)
	for n := 0; n < b.N; n += benchChunk {
		for i := range msgs {
			msgs[i].Offset = offset
			offset++
		}
		if err := p.takeAll(b.Context(), msgs); err != nil {
			b.Fatal(err)
		}
	}
}
