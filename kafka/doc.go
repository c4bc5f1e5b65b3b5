// Package kafka is the only place that builds Kafka clients: producing for sources, at least once
// or in transactions, consumer groups for sinks, compacted topics for state, topic creation, and
// the embedded broker. It takes Kafka's own property names.
//
// In flow Messages and Commits; out flow acknowledgements, Fetches, and errors that say what to
// do, of which Permanent tells whether another try helps. Who may be called from where, and who
// owns the memory, is said at Producer, TxProducer, Group and Store.
package kafka
