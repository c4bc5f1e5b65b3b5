// Package postgres reads the changes of a PostgreSQL database: a snapshot of the captured tables
// first, then every committed change from a logical replication slot (pgoutput).
//
// In flow COPY rows and WAL messages; out flow batches of records whose changes the converter
// writes as Debezium's envelope. One row's way: copy.go or message.go cuts the bytes, a table's
// columns (table.go, types.go) turn each into a cell of the batch, change.go puts the cells into
// a record with its key and source block, and position.go says from where to go on once the
// batch is durable.
package postgres
