// Package task is what the tasks of sources and sinks have in common: a life over many attempts, the
// states of Kafka Connect, and figures. In go an attempt, which is run again after a failure that may
// heal, and what it counts; out come a Status and metrics.
package task
