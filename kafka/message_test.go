package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestMessagesKeepNoAnswer makes sure that what was not compressed does not point into the broker's
// answer, which it would keep as a whole.
func TestMessagesKeepNoAnswer(t *testing.T) {
	answer := []byte("key-value-header")
	r := &kgo.Record{Key: answer[:3], Value: answer[4:9], Headers: []kgo.RecordHeader{{Key: "h", Value: answer[10:]}, {Key: "null"}}}
	m := messages([]*kgo.Record{r, {Value: []byte{}}, {}})
	clear(answer)
	if string(m[0].Key) != "key" || string(m[0].Value) != "value" || string(m[0].Headers[0].Value) != "header" || m[0].Headers[1].Value != nil {
		t.Errorf("message %+v", m[0])
	}
	if m[1].Value == nil || m[2].Value != nil || m[2].Key != nil {
		t.Errorf("empty and null are one: %+v, %+v", m[1], m[2])
	}
}
