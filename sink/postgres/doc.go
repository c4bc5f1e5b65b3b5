// Package postgres is the PostgreSQL sink. Records of one partition go in, in offset order; rows
// in PostgreSQL tables come out, each exactly once.
//
// A record's way: Writer.Write looks up the plan for its schema (which field goes into which
// column, and how), and appends the row in COPY's format to the buffer of its table, where a later
// row of the same key replaces an earlier one. Writer.Flush runs one transaction: first the
// partition's row in _connectd_offsets moves from the range's start to its end, under the epoch
// that Writer.Start claimed, then deletes and rows follow, then COMMIT. So rows and offset are
// durable together, a range that is flushed twice changes nothing the second time, and an owner
// that has been replaced writes nothing at all.
//
// Rows that only come in are copied into the table itself; all others go through a staging table of
// the connection and INSERT … ON CONFLICT, UPDATE or DELETE. Tables of ordinary types are copied in
// the binary format, all others as text that the server reads.
//
// Debezium's envelopes are taken apart here (Writer.change), unless a transform has done it. Binary
// rows are compared with the types that the table has by now, under a lock (Writer.verify): the
// server would read eight octets of an integer as a float without an error.
//
// What the server refuses is found record by record in a second transaction (Writer.reject), which is
// rolled back, and handed to the runtime as connect.RecordErrors before anything of the range is
// durable. Where no record is to blame, because rows were refused only as one statement, that
// transaction commits.
//
// The offsets table wins over the consumer group's offset. Without the right to create it, or with
// offsets.storage: kafka, the position is the group's alone, and rows may be written twice.
package postgres
