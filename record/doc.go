// Package record holds the one form that data has inside the daemon. Sources and the Kafka
// consumer fill batches of records; transforms change them in place; converters turn them into
// bytes and back; sinks write them. It imports nothing but the standard library.
//
// A row is a shared *Schema and a slice of small typed cells (Value) that point into the memory
// of the Batch that holds them. Debezium's envelope is not carried: a record with a Change is
// written as an envelope by the converter, and unwrapped for free.
package record
