package postgres

import "github.com/jackc/pglogrepl"

// LSN is a position in the write-ahead log, in bytes.
type LSN = pglogrepl.LSN
