package s3

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/connector/connectortest"
	"connectd/connect/worker"
	"connectd/internal/testenv"
	"connectd/kafka"
)

// These tests run the sink as it runs for users: a worker in a process of its own, between the real
// broker and the real store.

func TestMain(m *testing.M) {
	connectortest.Main(connect.Plugins{
		Sinks:      []connect.Plugin{connect.SinkPlugin("s3-sink", New)},
		Converters: connectortest.Converters,
	}, func(s *connector.WorkerSettings, k kafka.Settings, log *slog.Logger) *worker.Worker {
		debug.SetMemoryLimit(128 << 20)
		s.Memory = 64 << 20
		return worker.New(s, k, log)
	})
	os.Exit(m.Run())
}

// daemon is a process that runs one connector, from a topic into a bucket of its own.
type daemon struct {
	*connectortest.Process
	t        *testing.T
	topic    string
	bucket   string
	client   *s3.Client
	kafka    kafka.Settings
	settings map[string]string
}

// newDaemon makes a topic and a bucket; more are settings, key after key and value.
func newDaemon(t *testing.T, partitions int, more ...string) *daemon {
	t.Helper()
	server, bucket := testenv.Bucket(t)
	topic := testenv.Topic(t, partitions)
	d := &daemon{t: t, topic: topic, bucket: bucket, client: server.Client(), kafka: connectortest.Kafka(testenv.SharedKafka(t).Brokers), settings: map[string]string{
		"name": topic, "connector.class": "s3-sink", "topics": topic, "s3.bucket.name": bucket,
		"store.url": server.Endpoint, "s3.region": server.Region, "aws.access.key.id": server.AccessKey, "aws.secret.access.key": server.SecretKey,
		"key.converter": "json", "value.converter": "json", "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
		"header.converter": "simple", "consumer.override.auto.offset.reset": "earliest",
		// A static member takes its place back at once after a crash.
		"consumer.override.group.instance.id": topic,
	}}
	for i := 0; i < len(more); i += 2 {
		d.settings[more[i]] = more[i+1]
	}
	return d
}

// start runs the connector; it dies at the step of the delivery protocol, if one is given.
func (d *daemon) start(step string) {
	d.t.Helper()
	d.Process = connectortest.Start(d.t, d.kafka, d.settings, step)
}

// produce writes messages into the topic and waits for the broker to have them. Partition and
// topic are filled in where they are empty.
func (d *daemon) produce(msgs ...kafka.Message) {
	d.t.Helper()
	for i := range msgs {
		msgs[i].Topic = d.topic
	}
	connectortest.Produce(d.t, d.kafka, msgs...)
}

// numbers are messages {"n":from} … {"n":to-1}, a second apart, each into the partition of its
// number.
func numbers(from, to, partitions int) []kafka.Message {
	var msgs []kafka.Message
	for n := from; n < to; n++ {
		msgs = append(msgs, kafka.Message{Partition: int32(n % partitions), Timestamp: 1_700_000_000_000 + int64(n)*1000,
			Key: fmt.Append(nil, n), Value: fmt.Appendf(nil, `{"n":%d,"five":"%d","day":%d}`, n, n%5, n/40)})
	}
	return msgs
}

// objects waits until the bucket holds what enough says, and returns it.
func (d *daemon) objects(what string, enough func(map[string]string) bool) map[string]string {
	d.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		got := content(d.t, d.client, d.bucket)
		if enough(got) {
			tick.Stop()
			return got
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("waited for %s; there are %v", what, slices.Sorted(maps.Keys(got)))
		}
	}
}

// count waits until the bucket holds n objects.
func (d *daemon) count(n int) {
	d.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		list, err := d.client.ListObjectsV2(d.t.Context(), &s3.ListObjectsV2Input{Bucket: &d.bucket})
		if err != nil {
			d.t.Fatal(err)
		}
		if len(list.Contents) == n {
			tick.Stop()
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("waited for %d objects; there are %d", n, len(list.Contents))
		}
	}
}

// counted is how often each number is in the objects.
func counted(t *testing.T, objects map[string]string) map[int]int {
	t.Helper()
	count := map[int]int{}
	for key, text := range objects {
		if strings.Contains(key, "_manifest/") {
			continue
		}
		for line := range strings.Lines(text) {
			_, rest, _ := strings.Cut(line, `"n":`)
			n, err := strconv.Atoi(rest[:strings.IndexAny(rest, ",}")])
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			count[n]++
		}
	}
	return count
}

// onceEach makes sure that the objects hold each number below n once.
func onceEach(t *testing.T, objects map[string]string, n int) {
	t.Helper()
	count := counted(t, objects)
	for i := range n {
		if count[i] != 1 {
			t.Errorf("number %d is there %d times", i, count[i])
		}
		delete(count, i)
	}
	for i := range count {
		t.Errorf("number %d was never produced", i)
	}
}
