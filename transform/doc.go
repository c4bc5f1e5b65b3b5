// Package transform holds what may happen to a record between a source and Kafka, or between
// Kafka and a sink: one transform a file. A transform changes the record in place or filters it
// out; it never adds records.
package transform
