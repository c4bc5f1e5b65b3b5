package testenv

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

//go:embed kafka-log4j2.xml
var kafkaLog4j []byte

// KafkaOptions say how a broker differs from the usual one.
type KafkaOptions struct {
	Port       int               // 0: a free one
	Properties map[string]string // server.properties, on top of the usual ones
	Heap       string            // "": little, as tests need; "1g" is what Kafka's own scripts give
}

// Kafka is one Apache Kafka broker that is its own controller (KRaft). It does not create
// topics by itself.
type Kafka struct {
	Brokers string // host:port

	process *process // nil: started by another process
}

// StartKafka starts a broker in dir (new or empty; "": a temporary directory).
func StartKafka(ctx context.Context, dir string, o KafkaOptions) (*Kafka, error) {
	home, err := installed("kafka", "kafka-"+versions["KAFKA"])
	if err != nil {
		return nil, err
	}
	port, err := freePort(o.Port)
	if err != nil {
		return nil, err
	}
	controller, err := freePort(0)
	if err != nil {
		return nil, err
	}
	if dir, err = newDir("kafka", dir); err != nil {
		return nil, err
	}
	properties := filepath.Join(dir, "server.properties")
	log4j := filepath.Join(dir, "log4j2.xml")
	k := &Kafka{Brokers: address(port), process: &process{
		name:   "kafka",
		dir:    dir,
		orphan: "KILL",
		args: []string{
			"java", "-Xmx" + cmp.Or(o.Heap, "512m"), "-Xms" + cmp.Or(o.Heap, "128m"), "-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData",
			"-Dlog4j2.configurationFile=" + log4j, "-Dlog4j2.disableJmx=true",
			"-cp", filepath.Join(home, "libs", "*"), "kafka.Kafka", properties,
		},
	}}
	k.process.ready = k.ping
	all := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         "1@" + address(controller),
		"controller.listener.names":                        "CONTROLLER",
		"listeners":                                        "PLAINTEXT://" + address(port) + ",CONTROLLER://" + address(controller),
		"advertised.listeners":                             "PLAINTEXT://" + address(port),
		"log.dirs":                                         filepath.Join(dir, "data"),
		"auto.create.topics.enable":                        "false",
		"offsets.topic.num.partitions":                     "1",
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.num.partitions":             "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		// A broker that was killed may only come back when its session is over.
		"broker.session.timeout.ms":        "2000",
		"broker.heartbeat.interval.ms":     "400",
		"group.initial.rebalance.delay.ms": "0",
		"log.cleaner.dedupe.buffer.size":   "8388608",
		"log.retention.ms":                 "-1", // the records of tests are as old as they like
	}
	maps.Copy(all, o.Properties)
	if err := errors.Join(
		os.CopyFS(filepath.Join(dir, "data"), os.DirFS(filepath.Join(home, "formatted"))),
		os.WriteFile(properties, []byte(kafkaProperties(all)), 0o644),
		os.WriteFile(log4j, kafkaLog4j, 0o644),
	); err != nil {
		k.Close()
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	if err := k.process.start(ctx); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

// Kill ends the broker with SIGKILL; its data stays.
func (k *Kafka) Kill() error {
	if k.process == nil {
		return errShared("kafka")
	}
	k.process.kill()
	return nil
}

// Restart kills the broker if it runs, and starts it on the same port and data.
func (k *Kafka) Restart() error {
	if err := k.Kill(); err != nil {
		return err
	}
	return k.process.start(context.Background())
}

// Close kills the broker and removes its directory.
func (k *Kafka) Close() error {
	if k.process == nil {
		return errShared("kafka")
	}
	return k.process.close()
}

// ping is nil when the broker answers and has a controller.
func (k *Kafka) ping(ctx context.Context) error {
	if err := dial(ctx, k.Brokers); err != nil {
		return err // the client below would retry for long
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers))
	if err != nil {
		return err
	}
	defer cl.Close()
	m, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if len(m.Brokers) == 0 || m.Controller < 0 {
		return fmt.Errorf("no controller yet")
	}
	return nil
}

func kafkaProperties(properties map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&b, "%s=%s\n", k, properties[k])
	}
	return b.String()
}
