// Package kafka is the only place that builds Kafka clients: producing for sources, consumer
// groups for sinks, compacted topics for state, topic creation, and the embedded broker. It
// takes Kafka's own property names.
package kafka
