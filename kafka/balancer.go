package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// balancers are the assignors of the classic protocol by Kafka's names, most wanted first.
func balancers(names []string) ([]kgo.GroupBalancer, error) {
	var all []kgo.GroupBalancer
	for _, name := range names {
		switch name {
		case "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor":
			all = append(all, kgo.CooperativeStickyBalancer())
		case "sticky", "org.apache.kafka.clients.consumer.StickyAssignor":
			all = append(all, kgo.StickyBalancer())
		case "range", "org.apache.kafka.clients.consumer.RangeAssignor":
			all = append(all, kgo.RangeBalancer())
		case "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor":
			all = append(all, kgo.RoundRobinBalancer())
		default:
			return nil, fmt.Errorf("%q is not an assignor; write cooperative-sticky, sticky, range or roundrobin", name)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("is empty; write cooperative-sticky")
	}
	return all, nil
}
