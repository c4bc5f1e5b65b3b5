package kafka

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func openStore(t *testing.T, s Settings, topic string) *Store {
	t.Helper()
	st, err := OpenStore(t.Context(), s, topic, log())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

// put fails the test with the store.
func put(t *testing.T, st *Store, key, value string) {
	t.Helper()
	v := []byte(value)
	if value == "" {
		v = nil
	}
	if err := st.Put(t.Context(), key, v); err != nil {
		t.Fatal(err)
	}
}

// texts is the store's content as strings.
func texts(st *Store) map[string]string {
	all := map[string]string{}
	for k, v := range st.All() {
		all[k] = string(v)
	}
	return all
}

func dropTopic(t *testing.T, s Settings, topic string) {
	t.Cleanup(func() { _ = testAdmin(t, s).DeleteTopic(context.Background(), topic) })
}

func TestStore(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := unique(t)
		dropTopic(t, s, topic)
		st := openStore(t, s, topic)
		if _, ok := st.Get("a"); ok || len(st.All()) != 0 {
			t.Errorf("a new store has %v", texts(st))
		}
		put(t, st, "a", "1")
		put(t, st, "b", "1")
		put(t, st, "a", "2")
		put(t, st, "c", "1")
		put(t, st, "b", "")
		if err := st.PutAll(t.Context(), map[string][]byte{"d": []byte("1"), "e": []byte("1"), "c": nil}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"a": "2", "d": "1", "e": "1"}
		if got := texts(st); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if v, ok := st.Get("a"); string(v) != "2" || !ok {
			t.Errorf("a: got %q, %v", v, ok)
		}
		if v, ok := st.Get("b"); v != nil || ok {
			t.Errorf("b was deleted: got %q, %v", v, ok)
		}
		if got := texts(openStore(t, s, topic)); !reflect.DeepEqual(got, want) {
			t.Errorf("opened again: got %v, want %v", got, want)
		}
		config, err := testAdmin(t, s).topicConfig(t.Context(), topic)
		if err != nil || config["cleanup.policy"] != "compact" {
			t.Errorf("cleanup.policy is %q, %v; want compact", config["cleanup.policy"], err)
		}
	})
}

// TestStorePutCopies: the caller may use its memory again.
func TestStorePutCopies(t *testing.T) {
	_, addr := fake(t)
	st := openStore(t, settingsOf(addr), "t")
	value := []byte("one")
	if err := st.Put(t.Context(), "k", value); err != nil {
		t.Fatal(err)
	}
	copy(value, "two")
	if got, _ := st.Get("k"); string(got) != "one" {
		t.Errorf("got %q, want one", got)
	}
}

// TestStoreOfKafkaConnect is connect-offsets: 25 partitions, written by another producer.
func TestStoreOfKafkaConnect(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		a, topic := testAdmin(t, s), unique(t)
		dropTopic(t, s, topic)
		if err := a.EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 25, Config: map[string]string{"cleanup.policy": "compact"}}); err != nil {
			t.Fatal(err)
		}
		var msgs []Message
		want := map[string]string{}
		for i := range 200 {
			key, value := fmt.Sprintf(`["shop",{"server":"s%d"}]`, i%60), fmt.Sprintf(`{"lsn":%d}`, i)
			msgs = append(msgs, Message{Topic: topic, Partition: ByKey, Timestamp: -1, Key: []byte(key), Value: []byte(value)})
			want[key] = value
		}
		produce(t, s, msgs...)
		st := openStore(t, s, topic)
		if got := texts(st); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		// Our record goes to the partition where the key is: otherwise compaction keeps both.
		put(t, st, `["shop",{"server":"s1"}]`, "new")
		if got := texts(openStore(t, s, topic)); got[`["shop",{"server":"s1"}]`] != "new" || len(got) != len(want) {
			t.Errorf("got %v after writing one key anew", got)
		}
	})
}

// TestStoreEndsWithoutRecords: the last offsets of the log are markers of transactions and
// aborted records, which no reader is ever given.
func TestStoreEndsWithoutRecords(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := unique(t)
		dropTopic(t, s, topic)
		put(t, openStore(t, s, topic), "before", "1")
		client, err := newClient(s, nil, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic), kgo.RequestTimeoutOverhead(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			value := fmt.Sprint(end)
			if err := client.ProduceSync(t.Context(), &kgo.Record{Key: []byte("k"), Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
		st, err := OpenStore(within(t, time.Minute), s, topic, log())
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		want := map[string]string{"before": "1", "k": fmt.Sprint(kgo.TryCommit)}
		if got := texts(st); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestStoreCompacted: compaction takes records out, at the end of the log too.
func TestStoreCompacted(t *testing.T) {
	c, addr := fake(t)
	s := settingsOf(addr)
	a := testAdmin(t, s)
	if err := a.EnsureTopic(t.Context(), "t", TopicSpec{Partitions: 1, Config: map[string]string{
		"cleanup.policy": "compact", "delete.retention.ms": "0", "min.cleanable.dirty.ratio": "0", "segment.bytes": "1",
	}}); err != nil {
		t.Fatal(err)
	}
	st := openStore(t, s, "t")
	for i := range 50 {
		put(t, st, fmt.Sprintf("k%d", i%5), fmt.Sprint(i))
	}
	put(t, st, "k0", "")
	c.Compact()
	logs, err := a.ListOffsets(t.Context(), true, "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Log("log after compaction:", logs)
	want := map[string]string{"k1": "46", "k2": "47", "k3": "48", "k4": "49"}
	again, err := OpenStore(within(t, time.Minute), s, "t", log())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := texts(again); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStoreWatch(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		topic := unique(t)
		dropTopic(t, s, topic)
		other := openStore(t, s, topic)
		put(t, other, "before", "1")
		st := openStore(t, s, topic)
		type change struct{ key, value string }
		changes := make(chan change, 100)
		if err := st.Watch(func(key string, value []byte) { changes <- change{key, string(value)} }); err != nil {
			t.Fatal(err)
		}
		put(t, other, "a", "1")
		put(t, st, "b", "1")
		put(t, other, "a", "")
		put(t, other, "c", "1")
		for _, want := range []change{{"a", "1"}, {"b", "1"}, {"a", ""}, {"c", "1"}} {
			select {
			case got := <-changes:
				if got != want {
					t.Errorf("got change %v, want %v", got, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("change %v did not come", want)
			}
		}
		if got, want := texts(st), (map[string]string{"before": "1", "b": "1", "c": "1"}); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestStoreOlderRecordLater: a change of another writer that Watch reads after a newer one of
// this store must not win.
func TestStoreOlderRecordLater(t *testing.T) {
	st := &Store{entries: map[string]entry{}}
	st.apply([]byte("k"), []byte("new"), 8)
	st.apply([]byte("k"), []byte("old"), 7)
	st.apply([]byte("gone"), nil, 10)
	st.apply([]byte("gone"), []byte("old"), 9)
	if got, want := texts(st), (map[string]string{"k": "new"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestStoreRefusesDeletion(t *testing.T) {
	eachBroker(t, func(t *testing.T, s Settings) {
		for _, policy := range []string{"delete", "compact,delete"} {
			topic := unique(t)
			dropTopic(t, s, topic)
			if err := testAdmin(t, s).EnsureTopic(t.Context(), topic, TopicSpec{Partitions: 1, Config: map[string]string{"cleanup.policy": policy}}); err != nil {
				t.Fatal(err)
			}
			_, err := OpenStore(t.Context(), s, topic, log())
			want := "kafka-configs --alter --entity-type topics --entity-name " + topic + " --add-config cleanup.policy=compact"
			if err == nil || !strings.Contains(err.Error(), want) || !Permanent(err) {
				t.Errorf("cleanup.policy=%s: got %v, want the command that alters it", policy, err)
			}
		}
	})
}

func TestStoreClosed(t *testing.T) {
	_, addr := fake(t)
	st := openStore(t, settingsOf(addr), "t")
	st.Close()
	if err := st.Put(t.Context(), "k", []byte("v")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if err := st.Watch(func(string, []byte) {}); err != nil {
		t.Error(err)
	}
}

// TestStorePutCancelled: the caller is let go, and the store goes on.
func TestStorePutCancelled(t *testing.T) {
	c, addr := fake(t)
	st := openStore(t, settingsOf(addr), "t")
	put(t, st, "a", "1")
	hold := holdProduce(c)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- st.Put(ctx, "a", []byte("2")) }()
	<-hold.arrived
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	close(hold.answer)
	put(t, st, "b", "1")
	if got, want := texts(st), (map[string]string{"a": "2", "b": "1"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
