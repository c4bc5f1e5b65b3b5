// Package clickhouse is the ClickHouse sink. Records of one partition come in; their cells are
// appended to the columns of the target table in ClickHouse's own Native encoding, checked
// against the column's type one by one; a flush sends one INSERT per table, with the columns
// named and with the range's id as the deduplication token, so that sending the same range again
// changes nothing.
//
// Queries and inserts over HTTP go through clickhouse-go, inserts over the native protocol
// through ch-go below it: both take columns that are encoded already.
package clickhouse
