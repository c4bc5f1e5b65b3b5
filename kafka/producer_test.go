package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"connectd/internal/testenv"
	"connectd/record"
)

// readAll reads a topic to its end.
func readAll(t testing.TB, s Settings, topic string) map[int32][]Message {
	t.Helper()
	a := testAdmin(t, s)
	logs, err := a.ListOffsets(t.Context(), true, topic)
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGroup(s, GroupOptions{ID: unique(t), Topics: []string{topic}, Reset: "earliest", ReadCommitted: true}, log())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(context.Background())
	ctx, left, all := within(t, time.Minute), 0, map[int32][]Message{}
	for _, o := range logs {
		left += int(o.End - o.Start)
	}
	for left > 0 {
		fetches, err := g.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetches {
			if f.Err != nil {
				t.Fatal(f.Err)
			}
			all[f.Partition.ID] = append(all[f.Partition.ID], f.Messages...)
			left -= len(f.Messages)
		}
	}
	return all
}

func TestProduce(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 3)
		sent := []Message{
			{Topic: topic, Partition: 2, Timestamp: 1_700_000_000_123, Key: []byte("k"), Value: []byte("v"),
				Headers: []Header{{"h", []byte("1")}, {"h", []byte{}}, {"i", nil}}},
			{Topic: topic, Partition: 2, Timestamp: 1_700_000_000_124, Key: []byte{}, Value: []byte{}},
			{Topic: topic, Partition: 2, Timestamp: 1_700_000_000_125, Key: []byte("tombstone")},
			{Topic: topic, Partition: 2, Timestamp: 1_700_000_000_126, Value: []byte("no key"), Headers: []Header{{"j", []byte("2")}}},
		}
		produce(t, s, sent...)
		got := readAll(t, s, topic)[2]
		for i := range sent {
			sent[i].Offset = int64(i)
		}
		if !reflect.DeepEqual(got, sent) {
			t.Errorf("got  %+v\nwant %+v", got, sent)
		}
	})
}

func TestProduceKeepsOrder(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic, p := makeTopic(t, s, 4), makeProducer(t, s)
		const calls, each = 200, 50
		var finished atomic.Int64
		sent := map[string]int{}
		for c := range calls {
			msgs := make([]Message, each)
			for i := range msgs {
				key := fmt.Sprintf("key-%d", (c*each+i)%37)
				msgs[i] = Message{Topic: topic, Partition: ByKey, Timestamp: record.NoTimestamp, Key: []byte(key), Value: fmt.Appendf(nil, "%d", sent[key])}
				sent[key]++
			}
			p.Produce(msgs, func(err error) {
				if err != nil {
					t.Error(err)
				}
				finished.Add(1)
			})
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if finished.Load() != calls {
			t.Fatalf("done was called %d times, want %d", finished.Load(), calls)
		}
		next, at := map[string]int{}, map[string]int32{}
		for partition, msgs := range readAll(t, s, topic) {
			for _, m := range msgs {
				key := string(m.Key)
				if want := fmt.Sprint(next[key]); string(m.Value) != want {
					t.Fatalf("key %s: got value %s, want %s", key, m.Value, want)
				}
				if p, ok := at[key]; ok && p != partition {
					t.Fatalf("key %s is in partitions %d and %d", key, p, partition)
				}
				next[key]++
				at[key] = partition
			}
		}
		if !reflect.DeepEqual(next, sent) {
			t.Errorf("got %v records by key, want %v", next, sent)
		}
	})
}

func TestProduceTooLarge(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic, p := makeTopic(t, s, 1), makeProducer(t, s)
		err := wait(t, p, Message{Topic: topic, Partition: ByKey, Key: []byte("key"), Value: make([]byte, 2<<20)})
		for _, want := range []string{topic, "key 3 bytes", "value 2097152 bytes", "max.request.size (1MiB)", "max.message.bytes"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want it to name %s", err, want)
			}
		}
		if !Permanent(err) {
			t.Error("a record that is too large will not get smaller: want a permanent error")
		}
		// Nothing is acknowledged any more, so that no later record counts as in order.
		if again := wait(t, p, numbered(topic, 0, 0, 1)...); !errors.Is(again, kerr.MessageTooLarge) {
			t.Errorf("after the first error: got %v, want the same error", again)
		}
		if err := p.Flush(t.Context()); !errors.Is(err, kerr.MessageTooLarge) {
			t.Errorf("flush: got %v, want the first error", err)
		}
	})
}

// TestProduceTooLargeForTopic is the broker refusing what the client would send.
func TestProduceTooLargeForTopic(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		a, topic := testAdmin(t, s), unique(t)
		if err := a.EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 1, Config: map[string]string{"max.message.bytes": "1000"}}); err != nil {
			t.Fatal(err)
		}
		defer a.DeleteTopic(context.Background(), topic)
		if n, err := a.MaxMessageBytes(t.Context(), topic); n != 1000 || err != nil {
			t.Errorf("got %d, %v, want 1000", n, err)
		}
		s.Compression = "none"
		err := wait(t, makeProducer(t, s), Message{Topic: topic, Partition: ByKey, Timestamp: -1, Value: make([]byte, 5000)})
		if !errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), "value 5000 bytes") {
			t.Errorf("got %v, want MESSAGE_TOO_LARGE with the size", err)
		}
	})
}

// TestProduceToNewTopic is a topic that is created after its first record is on its way.
func TestProduceToNewTopic(t *testing.T) {
	_, addr := fake(t)
	s, topic := settingsOf(addr), unique(t)
	p := makeProducer(t, s)
	done := make(chan error, 1)
	p.Produce(numbered(topic, ByKey, 0, 3), func(err error) { done <- err })
	if err := testAdmin(t, s).EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := len(readAll(t, s, topic)[0]); got != 3 {
		t.Errorf("got %d records, want 3", got)
	}
}

func TestProduceToMissingTopic(t *testing.T) {
	t.Parallel()
	_, addr := fake(t)
	err := wait(t, makeProducer(t, settingsOf(addr)), numbered("missing", ByKey, 0, 1)...)
	if !errors.Is(err, kerr.UnknownTopicOrPartition) || !strings.Contains(err.Error(), "topic.creation.default") {
		t.Errorf("got %v, want what to do about the unknown topic", err)
	}
}

func TestProduceWithoutBroker(t *testing.T) {
	t.Parallel()
	s := settingsOf(nobody(t), func(s *Settings) { s.Request, s.Delivery = 500*time.Millisecond, time.Second })
	err := wait(t, makeProducer(t, s), numbered("t", ByKey, 0, 1)...)
	if err == nil || Permanent(err) {
		t.Errorf("got %v, want a passing error", err)
	}
	t.Log(err)
}

// TestProduceTimeout is a broker that stops answering.
func TestProduceTimeout(t *testing.T) {
	t.Parallel()
	c, addr := fake(t, kfake.SeedTopics(1, "t"))
	s := settingsOf(addr, func(s *Settings) { s.Request, s.Delivery = 200*time.Millisecond, time.Second })
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.ErrorCode = kerr.NotEnoughReplicas.Code
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	err := wait(t, makeProducer(t, s), numbered("t", ByKey, 0, 1)...)
	if err == nil || !strings.Contains(err.Error(), "delivery.timeout.ms (1s)") || !strings.Contains(err.Error(), "min.insync.replicas") {
		t.Errorf("got %v, want the setting that decides", err)
	}
}

func TestProducerClose(t *testing.T) {
	_, addr := fake(t)
	p := makeProducer(t, settingsOf(addr))
	done := make(chan error, 1)
	p.Produce(numbered("missing", ByKey, 0, 10), func(err error) { done <- err })
	p.Close()
	select {
	case err := <-done:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	default:
		t.Error("Close returned before done was called")
	}
	if err := wait(t, p, numbered("t", ByKey, 0, 1)...); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}

// TestWriteGivesUp ends a Write whose records nobody acknowledges.
func TestWriteGivesUp(t *testing.T) {
	c, addr := fake(t, kfake.SeedTopics(1, "t"))
	p := makeProducer(t, settingsOf(addr))
	hold := holdProduce(c)
	defer close(hold.answer)
	stopped := errors.New("the task ends")
	ctx, stop := context.WithCancelCause(t.Context())
	go func() { // ends with the request
		<-hold.arrived
		stop(stopped)
	}()
	if err := p.Write(ctx, numbered("t", ByKey, 0, 1)); !errors.Is(err, stopped) {
		t.Errorf("got %v, want what ended it", err)
	}
}

func TestProduceNothing(t *testing.T) {
	_, addr := fake(t)
	if err := wait(t, makeProducer(t, settingsOf(addr))); err != nil {
		t.Errorf("got %v for no messages, want nil", err)
	}
}

// TestProduceMemory is buffer.memory: Produce blocks, and goes on when there is room.
func TestProduceMemory(t *testing.T) {
	c, addr := fake(t, kfake.SeedTopics(1, "t"))
	s := settingsOf(addr, func(s *Settings) { s.Buffer = s.MaxRequest })
	p := makeProducer(t, s)
	hold := holdProduce(c)
	half := bytes.Repeat([]byte("x"), 600<<10)
	var finished atomic.Int64
	p.Produce([]Message{{Topic: "t", Partition: ByKey, Value: half}}, func(error) { finished.Add(1) })
	returned := make(chan struct{})
	go func() {
		p.Produce([]Message{{Topic: "t", Partition: ByKey, Value: half}}, func(error) { finished.Add(1) })
		close(returned)
	}()
	select {
	case <-returned:
		t.Error("a second Produce beyond buffer.memory did not block")
	case <-time.After(100 * time.Millisecond):
	}
	close(hold.answer)
	<-returned
	if err := p.Flush(t.Context()); err != nil || finished.Load() != 2 {
		t.Errorf("got %d finished, %v; want 2", finished.Load(), err)
	}
}

// held is a produce request that waits for its answer.
type held struct{ arrived, answer chan struct{} }

// holdProduce holds the next produce request back until answer is closed.
func holdProduce(c *kfake.Cluster) held {
	h := held{make(chan struct{}), make(chan struct{})}
	var once sync.Once
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() { close(h.arrived) })
		c.SleepControl(func() { <-h.answer })
		return nil, nil, false
	})
	return h
}

// TestProduceAllocations: what Produce itself needs is made per call, not per record. The client
// has pools of its own, so a few are left.
func TestProduceAllocations(t *testing.T) {
	_, addr := fake(t, kfake.SeedTopics(1, "t"), kfake.BlackholeProduce())
	p := makeProducer(t, settingsOf(addr))
	msgs := load(1000)
	done := make(chan error, 1)
	perCall := testing.AllocsPerRun(50, func() {
		p.Produce(msgs, func(err error) { done <- err })
		<-done
	})
	// The broker is in this process too, and is counted.
	if perCall > 500 {
		t.Errorf("got %.0f allocations for 1000 records, want less than one for two records", perCall)
	}
}

// load is n messages of about 250 bytes.
func load(n int) []Message {
	msgs := make([]Message, n)
	for i := range msgs {
		msgs[i] = Message{Topic: "t", Partition: ByKey, Timestamp: 1_700_000_000_000, Key: fmt.Appendf(nil, `{"id":%d}`, i),
			Value: fmt.Appendf(nil, `{"id":%d,"user_id":%d,"kind":"click","amount":"%d.99","payload":{"page":"/p/%d","referrer":"https://example.org/%d","agent":"test"},"created_at":"2026-11-21T09:00:00.%06dZ","note":"some text that fills the record up"}`, i, i*7919%100000, i%1000, i%500, i%77, i)}
	}
	return msgs
}

func BenchmarkProduce(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			_, addr := fake(b, kfake.SeedTopics(1, "t"), kfake.BlackholeProduce())
			benchmarkFull(b, makeProducer(b, settingsOf(addr)), load(n))
		})
	}
}

// benchmarkFull produces msgs again and again, eight times at once.
func benchmarkFull(b *testing.B, p *Producer, msgs []Message) {
	inFlight := make(chan struct{}, 8)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		inFlight <- struct{}{}
		p.Produce(msgs, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-inFlight
		})
	}
	if err := p.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N*len(msgs))/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkLatency is the time from Produce to done at 1,000 records a second, one by one.
func BenchmarkLatency(b *testing.B) {
	run := func(b *testing.B, brokers string, linger time.Duration) {
		s := settingsOf(brokers, func(s *Settings) { s.Linger = linger })
		topic, p := makeTopic(b, s, 1), makeProducer(b, s)
		msg := load(1)[0]
		msg.Topic = topic
		if err := wait(b, p, msg); err != nil {
			b.Fatal(err)
		}
		took := make([]time.Duration, b.N)
		var left sync.WaitGroup
		left.Add(b.N)
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		b.ResetTimer()
		for i := range b.N {
			<-ticker.C
			start := time.Now()
			p.Produce([]Message{msg}, func(err error) {
				took[i] = time.Since(start)
				left.Done()
			})
		}
		left.Wait()
		slices.Sort(took)
		for _, q := range []int{50, 95, 99} {
			b.ReportMetric(float64(took[(len(took)-1)*q/100].Microseconds()), fmt.Sprintf("p%d-µs", q))
		}
	}
	for _, linger := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
		b.Run(fmt.Sprintf("embedded/linger=%s", linger), func(b *testing.B) {
			_, addr := fake(b)
			run(b, addr, linger)
		})
		b.Run(fmt.Sprintf("kafka/linger=%s", linger), func(b *testing.B) {
			run(b, testenv.SharedKafka(b).Brokers, linger)
		})
	}
}

// BenchmarkThroughput is full load: batches of 1,000 records, eight on their way.
func BenchmarkThroughput(b *testing.B) {
	run := func(b *testing.B, brokers string, linger time.Duration, n int) {
		s := settingsOf(brokers, func(s *Settings) { s.Linger = linger })
		topic, p := makeTopic(b, s, 1), makeProducer(b, s)
		msgs := load(n)
		for i := range msgs {
			msgs[i].Topic = topic
		}
		benchmarkFull(b, p, msgs)
	}
	for _, n := range []int{100, 1000} {
		for _, linger := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond} {
			b.Run(fmt.Sprintf("kafka/records=%d/linger=%s", n, linger), func(b *testing.B) {
				run(b, testenv.SharedKafka(b).Brokers, linger, n)
			})
		}
	}
}
