// Package connect is the contract between connectors and the runtime: what a connector implements,
// and the small types that it is given or returns. A source or sink imports this package and none
// below it, and learns nothing of Kafka.
//
// A source is a Source, which fills batches and sends them on a SourceTask; a sink is a Sink, which
// opens a Writer for each partition. What some can do beside that are interfaces of one or two
// methods: Splitter, Starter, Rotator, Batcher, Checker, Examiner, Signaled, Mover. A connector comes
// into the binary as a Plugin.
//
// Who runs it: connector makes a Connector of a file's section, worker keeps its tasks running, and
// sourcetask and sinktask are one attempt at such a task, from the first record to the last offset.
package connect
