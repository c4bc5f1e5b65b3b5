package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"connectd/config"
	"connectd/connect"
	"connectd/connect/connector"
	"connectd/connect/worker"
	"connectd/convert"
	"connectd/internal/testenv"
	"connectd/kafka"
)

// These tests run the sink as it runs for users: a worker in a process of its own, which is this
// test binary started again, between the real broker and the real store.

const (
	daemonSettings = "CONNECTD_S3_TEST_SETTINGS" // JSON of the connector's settings
	daemonBrokers  = "CONNECTD_S3_TEST_BROKERS"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(daemonSettings); text != "" {
		os.Exit(runDaemon(text, os.Getenv(daemonBrokers)))
	}
	os.Exit(m.Run())
}

// runDaemon runs one connector until SIGTERM.
func runDaemon(text, brokers string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var settings map[string]string
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		log.Error("settings", "err", err)
		return 1
	}
	var k kafka.Settings
	k.Defaults()
	k.Brokers, k.FetchWait = strings.Split(brokers, ","), 50*time.Millisecond
	var s connector.WorkerSettings
	s.Defaults()
	s.Memory = 64 << 20
	s.SchemasTopic = settings["name"] + "-schemas"
	written, _ := config.NewConnector(settings["name"], settings)
	c, problems := connector.Load(written, &s, connect.Plugins{
		Sinks: []connect.Plugin{connect.SinkPlugin("s3-sink", New)},
		Converters: []connect.Plugin{
			connect.ConverterPlugin("json", convert.NewJSON, "org.apache.kafka.connect.json.JsonConverter"),
			connect.ConverterPlugin("simple", convert.NewSimple, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
		},
	})
	if err := problems.Err(); err != nil {
		log.Error("load", "err", err)
		return 1
	}
	w := worker.New(&s, k, log)
	w.Add(c)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil {
		log.Error("run", "err", err)
		return 1
	}
	return 0
}

// daemon is a process that runs one connector, from a topic into a bucket of its own.
type daemon struct {
	t        *testing.T
	topic    string
	bucket   string
	client   *s3.Client
	settings map[string]string
	cmd      *exec.Cmd
	ended    chan error
	log      *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// newDaemon makes a topic and a bucket; more are settings, key after key and value.
func newDaemon(t *testing.T, partitions int, more ...string) *daemon {
	t.Helper()
	server, bucket := testenv.Bucket(t)
	topic := testenv.Topic(t, partitions)
	d := &daemon{t: t, topic: topic, bucket: bucket, client: server.Client(), settings: map[string]string{
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
	t.Cleanup(d.kill)
	return d
}

// start runs the connector; it dies at the step of the delivery protocol, if one is given.
func (d *daemon) start(step string) {
	d.t.Helper()
	text, err := json.Marshal(d.settings)
	if err != nil {
		d.t.Fatal(err)
	}
	d.cmd, d.ended, d.log = exec.Command(os.Args[0]), make(chan error, 1), &lockedBuffer{}
	d.cmd.Stderr, d.cmd.Stdout = d.log, d.log
	d.cmd.Env = append(os.Environ(), daemonSettings+"="+string(text), daemonBrokers+"="+testenv.SharedKafka(d.t).Brokers, "CONNECTD_FAULT="+step, "GOMEMLIMIT=128MiB")
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	cmd, ended := d.cmd, d.ended
	go func() { ended <- cmd.Wait() }()
}

// died waits until the process is killed at its step.
func (d *daemon) died() {
	d.t.Helper()
	select {
	case err := <-d.ended:
		d.cmd = nil
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(exit.Error(), "killed") {
			d.t.Fatalf("the daemon ended with %v, want it killed; its log:\n%s", err, d.log.text.String())
		}
	case <-time.After(2 * time.Minute):
		d.t.Fatalf("the daemon does not come to its end; its log:\n%s", d.log.text.String())
	}
}

// stop ends the process in good order.
func (d *daemon) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	if err := <-d.ended; err != nil {
		d.t.Errorf("the daemon ended with %v; its log:\n%s", err, d.log.text.String())
	}
	d.cmd = nil
}

func (d *daemon) kill() {
	if d.cmd != nil {
		_ = d.cmd.Process.Kill()
		<-d.ended
		if d.t.Failed() {
			d.t.Logf("the daemon's log:\n%s", d.log.text.String())
		}
	}
}

// produce writes messages into the topic and waits for the broker to have them. Partition and
// topic are filled in where they are empty.
func (d *daemon) produce(msgs ...kafka.Message) {
	d.t.Helper()
	var k kafka.Settings
	k.Defaults()
	k.Brokers = strings.Split(testenv.SharedKafka(d.t).Brokers, ",")
	p, err := kafka.NewProducer(k, slog.New(slog.DiscardHandler))
	if err != nil {
		d.t.Fatal(err)
	}
	defer p.Close()
	for i := range msgs {
		msgs[i].Topic = d.topic
	}
	done := make(chan error, 1)
	p.Produce(msgs, func(err error) { done <- err })
	if err := <-done; err != nil {
		d.t.Fatal(err)
	}
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
