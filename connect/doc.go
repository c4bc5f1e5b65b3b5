// Package connect is the runtime: it runs sources and sinks as tasks, moves their batches
// through transforms and converters, keeps their positions, restarts what fails and reports on
// it. Connectors implement Source or Sink and learn nothing of Kafka.
//
// A row's way: Source.Run fills a batch → SourceTask.Send → transforms → converter → Kafka;
// Kafka → converter → transforms → Writer.Write → Writer.Flush. The order of truth is the same
// everywhere: durable at the destination, then our offset, then the upstream is told.
package connect
