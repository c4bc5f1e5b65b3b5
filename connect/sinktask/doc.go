// Package sinktask runs a task of a sink: a member of the connector's consumer group, and a goroutine
// for each partition that it owns. In go messages of Kafka; out come ranges of records that the
// writer makes durable in the target, and then their offsets in the group. What protects a range from
// being lost or written twice, whoever dies or stands still meanwhile, is its intent.
//
// A message's way: task (poll) → inbox, within the budget → partition_take (decode, transforms,
// Write) → partition_flush (intent, Flush, commit).
package sinktask
