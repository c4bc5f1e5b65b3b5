package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"connectd/internal/testenv"
)

func TestMain(m *testing.M) {
	if runBroker() {
		return
	}
	goleak.VerifyTestMain(m)
}

// settingsOf are the defaults for a cluster, with what a test changes.
func settingsOf(brokers string, change ...func(*Settings)) Settings {
	var s Settings
	s.Defaults()
	s.Brokers = strings.Split(brokers, ",")
	s.Metadata = 200 * time.Millisecond
	s.Session = 6 * time.Second
	s.Heartbeat = 100 * time.Millisecond
	for _, c := range change {
		c(&s)
	}
	return s
}

// fake starts a broker in this process.
func fake(t testing.TB, opts ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1),
		kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "100"}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()[0]
}

// eachBroker runs test against a broker in this process, and against the real one.
func eachBroker(t *testing.T, test func(t *testing.T, s Settings)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		_, addr := fake(t)
		test(t, settingsOf(addr))
	})
	t.Run("kafka", func(t *testing.T) {
		t.Parallel()
		test(t, settingsOf(testenv.SharedKafka(t).Brokers))
	})
}

// unique is a name that no other test uses on the shared broker.
func unique(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("%s-%08x", name, rand.Uint32())
}

func testAdmin(t testing.TB, s Settings) *Admin {
	t.Helper()
	a, err := NewAdmin(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// makeTopic creates a topic for the test.
func makeTopic(t testing.TB, s Settings, partitions int) string {
	t.Helper()
	a, name := testAdmin(t, s), unique(t)
	if err := a.EnsureTopic(t.Context(), name, TopicSpec{Partitions: partitions, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.DeleteTopic(context.Background(), name); err != nil {
			t.Log(err)
		}
	})
	return name
}

func makeProducer(t testing.TB, s Settings) *Producer {
	t.Helper()
	p, err := NewProducer(s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// produce writes msgs and waits for them.
func produce(t testing.TB, s Settings, msgs ...Message) {
	t.Helper()
	if err := wait(t, makeProducer(t, s), msgs...); err != nil {
		t.Fatal(err)
	}
}

// wait is a Write that does not wait for ever.
func wait(t testing.TB, p *Producer, msgs ...Message) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := p.Write(ctx, msgs)
	if ctx.Err() != nil {
		t.Fatal("no end within a minute")
	}
	return err
}

// nobody is an address where no broker answers.
func nobody(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// numbered are n messages for one partition, with their number as value.
func numbered(topic string, partition int32, from, n int) []Message {
	msgs := make([]Message, n)
	for i := range msgs {
		msgs[i] = Message{Topic: topic, Partition: partition, Timestamp: -1, Value: fmt.Appendf(nil, "%d", from+i)}
	}
	return msgs
}

func log() *slog.Logger { return slog.New(slog.DiscardHandler) }

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
