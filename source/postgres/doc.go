// Package postgres reads the changes of a PostgreSQL database: a snapshot of the captured tables
// first, then every committed change from a logical replication slot (pgoutput).
//
// In flow COPY rows and WAL messages; out flow batches of records whose changes the converter
// writes as Debezium's envelope. One row's way: copy.go or message.go cut the bytes, tuple.go
// turns each value into a cell of the batch by the column's decoder (table.go makes the columns,
// forms.go chooses the decoder of a type), output.go puts the cells into a record with its key
// and its source block (envelope.go), and position.go says from where to go on once the batch is
// durable. status.go tells PostgreSQL which WAL is not needed any more. Large transactions that the
// server sends while they are open wait in a spool (streamed.go, spool.go) and then go the same way.
// A backlog is read by SQL before the stream (catchup.go, peek.go); attend.go does what does not wait
// for its end.
//
// mismatch.go decides where to begin when slot and stored offset do not fit, timeline.go whether the
// server has the WAL that the offset is of, guard.go watches what the slot keeps on the server's disk,
// doctor.go examines a database, and migrate.go moves a position from Debezium to here and back.
//
// What is beside the rows has a file of its own: logical.go (messages), transaction_topic.go,
// heartbeat.go. What is done to columns is decided in mask.go, source_type.go and adjust.go when
// their table is announced, and compat.go has what Debezium loses.
//
// Beside the stream, signals.go takes what is asked for (signal.go, channels.go) and demand.go
// keeps it in the stored position; incremental.go and window.go give the rows that chunk_reader.go
// has read their places in the stream, blocking.go lets the stream wait while the readers of the
// first snapshot read, and new_tables.go finds tables that join later. notification.go tells of it.
package postgres
