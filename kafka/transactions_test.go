package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func claim(t testing.TB, s Settings, id string) *TxProducer {
	t.Helper()
	p, err := NewTxProducer(within(t, time.Minute), s, id, log())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func begin(t testing.TB, p *TxProducer) {
	t.Helper()
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
}

// visible are the values that a reader of committed records sees in the topic's one partition.
func visible(t testing.TB, s Settings, topic string) []string {
	t.Helper()
	a := testAdmin(t, s)
	logs, err := a.ListOffsets(t.Context(), false, topic)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	l := logReader{admin: a, topic: topic}
	for p, o := range logs {
		if _, err := l.read(within(t, time.Minute), p.ID, o.Start, o.End, func(r *kgo.Record) { values = append(values, string(r.Value)) }); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

func TestTransaction(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic, other := makeTopic(t, s, 1), makeTopic(t, s, 1)
		p := claim(t, s, topic)
		for n := range 3 {
			begin(t, p)
			for _, to := range []string{topic, other} {
				if err := wait(t, p.Producer, numbered(to, 0, 2*n, 2)...); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Commit(within(t, time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		begin(t, p)
		if err := wait(t, p.Producer, numbered(topic, 0, 6, 2)...); err != nil {
			t.Fatal(err)
		}
		p.Close() // aborts
		want := []string{"0", "1", "2", "3", "4", "5"}
		for _, to := range []string{topic, other} {
			if got := visible(t, s, to); !slices.Equal(got, want) {
				t.Errorf("committed %v, want %v", got, want)
			}
		}
	})
}

func TestTransactionIsFenced(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		zombie := claim(t, s, topic)
		begin(t, zombie)
		if err := wait(t, zombie.Producer, numbered(topic, 0, 0, 5)...); err != nil {
			t.Fatal(err)
		}
		owner := claim(t, s, topic)
		begin(t, owner)
		if err := wait(t, owner.Producer, numbered(topic, 0, 100, 1)...); err != nil {
			t.Fatal(err)
		}
		if err := zombie.Commit(within(t, time.Minute)); !errors.Is(err, ErrFenced) || Permanent(err) {
			t.Errorf("commit of the zombie: got %v, want ErrFenced", err)
		}
		if err := zombie.Begin(); !errors.Is(err, ErrFenced) {
			t.Errorf("begin after that: got %v, want ErrFenced", err)
		}
		zombie.Close()
		if err := owner.Commit(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := visible(t, s, topic); !slices.Equal(got, []string{"100"}) {
			t.Errorf("committed %v, want what the owner has written", got)
		}
	})
}

func TestProduceIsFenced(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := makeTopic(t, s, 1)
		zombie := claim(t, s, topic)
		begin(t, zombie)
		if err := wait(t, zombie.Producer, numbered(topic, 0, 0, 1)...); err != nil {
			t.Fatal(err)
		}
		claim(t, s, topic)
		if err := wait(t, zombie.Producer, numbered(topic, 0, 1, 1)...); !errors.Is(err, ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
		zombie.Close()
		if got := visible(t, s, topic); len(got) > 0 {
			t.Errorf("committed %v, want nothing", got)
		}
	})
}

// TestStoreWaitsForOpenTransactions is a store that is opened while somebody's transaction is
// open: what others have committed behind its first record is not left out.
func TestStoreWaitsForOpenTransactions(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := unique(t)
		dropTopic(t, s, topic)
		openStore(t, s, topic)
		slow, quick := claim(t, s, topic+"-slow"), claim(t, s, topic+"-quick")
		put := func(p *TxProducer, key, value string) {
			begin(t, p)
			if err := wait(t, p.Producer, Message{Topic: topic, Partition: ByKey, Timestamp: -1, Key: []byte(key), Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
		}
		put(slow, "slow", "1")
		put(quick, "quick", "1")
		if err := quick.Commit(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		opened := make(chan map[string]string, 1)
		go func() { // ends with the commit, or with the test
			st, err := OpenStore(t.Context(), s, topic, log())
			if err != nil {
				t.Error(err)
				close(opened)
				return
			}
			opened <- texts(st)
			st.Close()
		}()
		select {
		case <-opened:
			t.Error("the store is open before the transaction is over")
		case <-time.After(300 * time.Millisecond):
		}
		if err := slow.Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := <-opened; got["quick"] != "1" || got["slow"] != "1" {
			t.Errorf("the store has %v, want both", got)
		}
	})
}

func TestGroupOffsetsOfUnknownGroup(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		commits, err := testAdmin(t, s).GroupOffsets(t.Context(), unique(t))
		if err != nil || len(commits) > 0 {
			t.Errorf("got %v, %v; want nothing", commits, err)
		}
	})
}

func TestTransactionalIDs(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		prefix := makeTopic(t, s, 1) // a name that is nobody else's
		for _, id := range []string{prefix + "-1", prefix + "-0", "x" + prefix} {
			p := claim(t, s, id)
			begin(t, p)
			if err := wait(t, p.Producer, numbered(prefix, 0, 0, 1)...); err != nil {
				t.Fatal(err)
			}
			if err := p.Commit(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := testAdmin(t, s).TransactionalIDs(t.Context(), prefix+"-")
		if want := []string{prefix + "-0", prefix + "-1"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	})
}
