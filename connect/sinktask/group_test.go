package sinktask

import (
	"fmt"
	"testing"
	"time"

	"connectd/kafka"
)

func TestSinkFetches(t *testing.T) {
	for _, test := range []struct {
		name      string
		worker    kafka.Consuming
		connector []string
		want      string // fetch.max.wait.ms, fetch.max.bytes, max.partition.fetch.bytes
	}{
		{"not written", unset.Consuming, nil, "50ms 2MiB 512KiB"},
		{"of the worker", kafka.Consuming{FetchWait: 2 * time.Second, FetchMax: 1 << 20, PartitionMax: 2 << 20}, nil, "2s 1MiB 2MiB"},
		{"of the connector", unset.Consuming, []string{"consumer.override.fetch.max.wait.ms", "700", "consumer.override.fetch.max.bytes", "3MiB",
			"consumer.override.max.partition.fetch.bytes", "4MiB"}, "700ms 3MiB 4MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := unset
			k.Brokers = []string{"127.0.0.1:1"}
			k.FetchWait, k.FetchMax, k.PartitionMax = test.worker.FetchWait, test.worker.FetchMax, test.worker.PartitionMax
			o, _, err := (&Runner{kafka: k}).groupOptions(connectorOf(t, test.connector...), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(o.FetchWait, o.FetchMax, o.PartitionMax); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
