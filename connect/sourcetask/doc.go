// Package sourcetask runs a task of a source. In go the batches that the source sends; out come
// messages in Kafka, and then the position after them in the offsets topic. The order of truth is:
// durable in Kafka, then the position, then the source is told, and may let its upstream forget; with
// exactly.once.support the first two are one transaction.
//
// A batch's way: pipeline (transforms, topics, converters) → retire and positions, or transactions.
package sourcetask
