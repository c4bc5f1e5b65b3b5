package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"connectd/internal/testenv"
)

// stream produces n numbers to each partition of topic, ten at a time, and waits for them.
func stream(t *testing.T, p *Producer, topic string, partitions, n int, each func()) {
	t.Helper()
	const size = 10
	for from := 0; from < n; from += size {
		for id := range partitions {
			p.Produce(numbered(topic, int32(id), from, size), func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		each()
	}
	if err := p.Flush(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// hasStreamed checks that each partition has the numbers once, in order.
func hasStreamed(t *testing.T, s Settings, topic string, partitions, n int) {
	t.Helper()
	got := readAll(t, s, topic)
	for id := range partitions {
		msgs := got[int32(id)]
		if len(msgs) != n {
			t.Errorf("partition %d has %d records, want %d", id, len(msgs), n)
			continue
		}
		for i, m := range msgs {
			if string(m.Value) != fmt.Sprint(i) {
				t.Errorf("partition %d: %s is at %d", id, m.Value, i)
				break
			}
		}
	}
}

// TestProduceThroughFaults: the broker refuses for a while, or says that it has although it has
// not, and partitions move to other brokers; each record is written once, in order.
func TestProduceThroughFaults(t *testing.T) {
	t.Parallel()
	c, addr := fake(t, kfake.NumBrokers(3), kfake.SeedTopics(6, "t"))
	s := settingsOf(addr)
	p := makeProducer(t, s)
	var faults []kfake.Fault
	for _, err := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.RequestTimedOut,
	} {
		faults = append(faults, kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Partitions: []int32{0, 3}, Err: err, Count: 2})
	}
	answered := c.Fault(faults...)
	rounds := 0
	stream(t, p, "t", 6, 500, func() {
		if rounds++; rounds%10 == 0 {
			c.ShufflePartitionLeaders()
			time.Sleep(20 * time.Millisecond)
		}
	})
	if got, want := answered.Hits(), 2*len(faults); got != want {
		t.Errorf("%d faults of %d", got, want)
	}
	hasStreamed(t, s, "t", 6, 500)
}

// cutter opens connections that break while requests and answers are on their way.
type cutter struct {
	on   atomic.Bool
	cuts atomic.Int64
}

func (c *cutter) dial(ctx context.Context, network, host string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, host)
	return &cutConn{Conn: conn, c: c}, err
}

// cutConn breaks with one in eight of its reads or writes, a write after it has happened.
type cutConn struct {
	net.Conn
	c *cutter
}

var errCut = errors.New("cut by the test")

func (c *cutConn) cut() bool {
	if !c.c.on.Load() || rand.IntN(8) > 0 {
		return false
	}
	c.c.cuts.Add(1)
	c.Conn.Close()
	return true
}

func (c *cutConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil && c.cut() {
		return n, errCut
	}
	return n, err
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.cut() {
		return 0, errCut
	}
	return n, err
}

// TestProduceThroughCuts loses answers of records that are written: none is written twice.
func TestProduceThroughCuts(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 3)
		var c cutter
		p, err := newProducer(s, log(), kgo.Dialer(c.dial))
		if err != nil {
			t.Fatal(err)
		}
		p.start()
		defer p.Close()
		c.on.Store(true)
		n := 0
		for ; c.cuts.Load() < 10 && n < 100_000; n += 10 {
			for id := range int32(3) {
				p.Produce(numbered(topic, id, n, 10), func(err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
			time.Sleep(time.Millisecond)
		}
		if err := p.Flush(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		c.on.Store(false)
		if c.cuts.Load() < 10 {
			t.Errorf("%d connections were cut: the test shows nothing", c.cuts.Load())
		}
		hasStreamed(t, s, topic, 3, n)
	})
}

// TestTransactionThroughCuts is the same of transactions, their claims and their ends.
func TestTransactionThroughCuts(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		var c cutter
		p, err := newTxProducer(within(t, time.Minute), s, topic, log(), kgo.Dialer(c.dial))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		c.on.Store(true)
		const transactions, each = 60, 10
		for n := range transactions {
			begin(t, p)
			if err := wait(t, p.Producer, numbered(topic, 0, n*each, each)...); err != nil {
				t.Fatal(err)
			}
			if err := p.Commit(within(t, time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		c.on.Store(false)
		if c.cuts.Load() < 3 {
			t.Errorf("%d connections were cut: the test shows nothing", c.cuts.Load())
		}
		got := visible(t, s, topic)
		if len(got) != transactions*each {
			t.Fatalf("%d records are committed, want %d", len(got), transactions*each)
		}
		for i, v := range got {
			if v != fmt.Sprint(i) {
				t.Fatalf("%s is at %d", v, i)
			}
		}
	})
}

// TestProduceOutOfOrder is a broker that has lost records: nothing behind them is acknowledged.
func TestProduceOutOfOrder(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID} {
		t.Run(code.Message, func(t *testing.T) {
			c, addr := fake(t, kfake.SeedTopics(2, "t"))
			p := makeProducer(t, settingsOf(addr))
			if err := wait(t, p, numbered("t", 0, 0, 1)...); err != nil {
				t.Fatal(err)
			}
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Partitions: []int32{0}, Err: code})
			if err := wait(t, p, numbered("t", 0, 1, 1)...); !errors.Is(err, code) || Permanent(err) {
				t.Errorf("got %v, want a passing %v", err, code)
			}
			if err := wait(t, p, numbered("t", 1, 0, 1)...); !errors.Is(err, code) {
				t.Errorf("another partition: got %v, want the first error", err)
			}
		})
	}
}

// TestProduceInvalid is a record that the topic's settings refuse: the broker says why.
func TestProduceInvalid(t *testing.T) {
	t.Parallel()
	s := settingsOf(testenv.SharedKafka(t).Brokers)
	for _, test := range []struct{ key, value, want string }{
		{"cleanup.policy", "compact", "cannot accept message without key"},
		{"message.timestamp.before.max.ms", "1000", "message.timestamp.before.max.ms"},
	} {
		a, topic := testAdmin(t, s), unique(t)
		if err := a.EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 1, Config: map[string]string{test.key: test.value}}); err != nil {
			t.Fatal(err)
		}
		dropTopic(t, s, topic)
		old := Message{Topic: topic, Partition: 0, Timestamp: 1, Value: []byte("v")}
		if err := wait(t, makeProducer(t, s), old); !Permanent(err) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%s: got %v, want a permanent error with %q", test.key, test.value, err, test.want)
		} else {
			t.Log(err)
		}
	}
}

// TestProduceDuplicate is an old broker's word for what it has already.
func TestProduceDuplicate(t *testing.T) {
	t.Parallel()
	c, addr := fake(t, kfake.SeedTopics(1, "t"))
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.DuplicateSequenceNumber})
	if err := wait(t, makeProducer(t, settingsOf(addr)), numbered("t", 0, 0, 1)...); err != nil {
		t.Errorf("got %v, want an acknowledgement", err)
	}
}

// TestProduceToTopicMadeAnew goes on with a topic that is deleted and created again.
func TestProduceToTopicMadeAnew(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic, p, a := makeTopic(t, s, 3), makeProducer(t, s), testAdmin(t, s)
		for id := range int32(3) {
			if err := wait(t, p, numbered(topic, id, 0, 10)...); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.DeleteTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		if err := a.EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 2, Replication: 1}); err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			for id := range int32(2) {
				if err := wait(t, p, numbered(topic, id, 10*n, 10)...); err != nil {
					t.Fatal(err)
				}
			}
		}
		hasStreamed(t, s, topic, 2, 50)
		if err := wait(t, p, numbered(topic, 2, 0, 1)...); err == nil {
			t.Error("a partition that is gone was written to")
		}
	})
}

// TestProduceToMorePartitions finds those that are added, and refuses those that do not exist.
func TestProduceToMorePartitions(t *testing.T) {
	t.Parallel()
	c, addr := fake(t, kfake.SeedTopics(1, "t"))
	s := settingsOf(addr)
	p := makeProducer(t, s)
	if err := wait(t, p, numbered("t", 0, 0, 1)...); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = "t", 3
	req.Topics = append(req.Topics, topic)
	if _, err := req.RequestWith(t.Context(), p.client); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		n := len(p.topics["t"].partitions)
		p.mu.Unlock()
		if n == 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d partitions after metadata.max.age.ms (%s)", n, s.Metadata)
		}
	}
	if err := wait(t, p, numbered("t", 2, 0, 1)...); err != nil {
		t.Fatal(err)
	}
	err := wait(t, p, numbered("t", 3, 0, 1)...)
	if want := `produce to topic "t" partition 3 (key 0 bytes, value 1 bytes): the topic has 3 partitions`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if c.LeaderFor("t", 2) < 0 {
		t.Error("no leader")
	}
}

// TestProduceWithoutKey spreads records over the partitions, a batch at a time.
func TestProduceWithoutKey(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(4, "t"))
	s := settingsOf(addr)
	p := makeProducer(t, s)
	for n := range 100 {
		if err := wait(t, p, numbered("t", ByKey, 10*n, 10)...); err != nil {
			t.Fatal(err)
		}
	}
	for id, msgs := range readAll(t, s, "t") {
		if len(msgs) < 50 || len(msgs)%10 > 0 {
			t.Errorf("partition %d has %d records of 1000, want about 250, ten at a time", id, len(msgs))
		}
	}
}

// TestProduceLingers waits for linger.ms, but not when somebody waits for the records, or when
// there is no room for others.
func TestProduceLingers(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, kfake.SeedTopics(1, "t"))
	s := settingsOf(addr, func(s *Settings) { s.Linger, s.Delivery, s.Buffer = time.Minute, 5*time.Minute, s.MaxRequest })
	p := makeProducer(t, s)
	done := make(chan error, 2)
	p.Produce(numbered("t", 0, 0, 1), func(err error) { done <- err })
	select {
	case err := <-done:
		t.Fatalf("sent at once (%v)", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := p.Flush(within(t, 10*time.Second)); err != nil || len(done) != 1 {
		t.Fatalf("flush: %v, %d finished", err, len(done))
	}
	<-done
	half := []Message{{Topic: "t", Partition: 0, Timestamp: -1, Value: make([]byte, 600<<10)}}
	p.Produce(half, func(err error) { done <- err })
	p.Produce(half, func(err error) { done <- err }) // has room when the first is written
	if err := <-done; err != nil {
		t.Error(err)
	}

	s.Linger = 50 * time.Millisecond
	p = makeProducer(t, s)
	start := time.Now()
	if err := wait(t, p, numbered("t", 0, 0, 1)...); err != nil || time.Since(start) < s.Linger {
		t.Errorf("sent after %s (%v), want linger.ms first", time.Since(start), err)
	}
}

// TestSequenceGoesRound is what happens after 2,147,483,648 records. The embedded broker counts
// them one short.
func TestSequenceGoesRound(t *testing.T) {
	t.Parallel()
	s := settingsOf(testenv.SharedKafka(t).Brokers)
	topic := makeTopic(t, s, 1)
	produce(t, s, numbered(topic, 0, 0, 7)...) // an empty log takes nothing but the first number
	p := makeProducer(t, s)
	p.mu.Lock()
	known := newTopicLog(p, topic)
	known.partitions = []*partitionLog{{topic: known, epoch: -1, sequence: math.MaxInt32 - 4}}
	p.topics[topic] = known
	p.mu.Unlock()
	signal(p.added)
	for n := 7; n < 50; n += 3 {
		if err := wait(t, p, numbered(topic, 0, n, 3)...); err != nil {
			t.Fatal(err)
		}
	}
	hasStreamed(t, s, topic, 1, 52)
}

// TestProduceFromManyGoroutines is for the race detector; each one's own order is kept.
func TestProduceFromManyGoroutines(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, kfake.NumBrokers(2), kfake.SeedTopics(8, "t"))
	s := settingsOf(addr, func(s *Settings) { s.Buffer = s.MaxRequest })
	p := makeProducer(t, s)
	var all sync.WaitGroup
	for id := range int32(8) {
		all.Go(func() {
			for from := 0; from < 1000; from += 10 {
				p.Produce(numbered("t", id, from, 10), func(err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	all.Wait()
	if err := p.Flush(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	hasStreamed(t, s, "t", 8, 1000)
}

// TestProduceUnknownTopicKeepsNothing: the memory of messages is free when Produce returns, also
// while their topic is unknown.
func TestProduceUnknownTopicKeepsNothing(t *testing.T) {
	t.Parallel()
	c, addr := fake(t)
	s := settingsOf(addr)
	p := makeProducer(t, s)
	done := make(chan error, 1)
	msg := Message{Topic: "t", Partition: 0, Timestamp: 5, Key: []byte("key"), Value: []byte("value"), Headers: []Header{{"h", []byte("header")}}}
	p.Produce([]Message{msg}, func(err error) { done <- err })
	for _, memory := range [][]byte{msg.Key, msg.Value, msg.Headers[0].Value} {
		clear(memory)
	}
	msg.Headers[0].Name = "changed"
	if err := c.CreateTopic("t", 1, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := readAll(t, s, "t")[0][0]
	if string(got.Key) != "key" || string(got.Value) != "value" || got.Headers[0].Name != "h" || string(got.Headers[0].Value) != "header" {
		t.Errorf("got %+v, want what was produced", got)
	}
}

// TestProducerConnectsWithRecords: one that nobody uses leaves the brokers alone.
func TestProducerConnectsWithRecords(t *testing.T) {
	t.Parallel()
	c, addr := fake(t, kfake.SeedTopics(1, "t"))
	asked := c.Fault(kfake.Fault{Observe: true, Count: -1, TopLevel: true, Keys: []kmsg.Key{kmsg.InitProducerID}})
	p := makeProducer(t, settingsOf(addr, func(s *Settings) { s.Metadata = 10 * time.Millisecond }))
	time.Sleep(100 * time.Millisecond)
	if n := asked.Hits(); n > 0 {
		t.Errorf("%d producer ids were asked for before the first record", n)
	}
	if err := wait(t, p, numbered("t", 0, 0, 1)...); err != nil || asked.Hits() != 1 {
		t.Errorf("%d producer ids were asked for with it (%v), want one", asked.Hits(), err)
	}
}
