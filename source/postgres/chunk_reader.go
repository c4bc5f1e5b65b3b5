package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// chunkBytes is how much text a chunk holds at most, but for one row that has more.
	chunkBytes = 4 << 20
	// chunkRetry is how long a chunk that could not be read waits, at first and at most.
	chunkRetry, chunkRetryMost = 100 * time.Millisecond, 10 * time.Second
	// shownRetry is how soon a snapshot is taken anew that does not show what the stream has sent.
	shownRetry = 5 * time.Millisecond
)

// chunkRequest asks for the next rows of a table.
type chunkRequest struct {
	number   int
	table    demanded // as it is when the chunk begins
	streamed []uint32 // transactions that the stream has sent lately
	renew    bool     // read the table's definition again
}

// chunkAnswer is the chunk, or why there is none.
type chunkAnswer struct {
	number int
	chunk  *chunk
	skip   *skipped
	again  bool // instead of a chunk: the table has another key, and is to be read from its first row
}

// skipped says why a table is not read: a status of Debezium's notifications, and the reason.
type skipped struct {
	status string
	reason error
}

// chunkReader reads chunks over a connection of its own, so that the stream never waits for a
// query. Its goroutine is run's; the stream's sends requests, one at a time.
type chunkReader struct {
	source   *Source
	catalog  *catalog
	requests chan chunkRequest
	answers  chan chunkAnswer // one slot: there is one request at a time
	wake     func()           // makes the stream look at answers

	table *chunkTable // read last
	limit int         // rows of the next chunk
	plain bool        // the signal table can not be written to
}

func newChunkReader(s *Source, wake func()) *chunkReader {
	return &chunkReader{
		source: s, catalog: newCatalog(s), wake: wake, limit: s.config.ChunkSize,
		requests: make(chan chunkRequest, 1), answers: make(chan chunkAnswer, 1),
	}
}

// run answers requests until ctx is done.
func (r *chunkReader) run(ctx context.Context) {
	defer r.catalog.Close()
	for {
		select {
		case q := <-r.requests:
			a, err := r.persist(ctx, &q)
			if err != nil {
				return // ctx is done
			}
			r.answers <- a
			r.wake()
		case <-ctx.Done():
			return
		}
	}
}

// persist reads the chunk, again and again while it is the connection that fails: the stream
// knows when the server is gone. What the server refuses is the answer.
func (r *chunkReader) persist(ctx context.Context, q *chunkRequest) (chunkAnswer, error) {
	for wait := chunkRetry; ; wait = min(2*wait, chunkRetryMost) {
		c, skip, err := r.read(ctx, q)
		switch {
		case ctx.Err() != nil:
			return chunkAnswer{}, ctx.Err()
		case err == nil:
			return chunkAnswer{number: q.number, chunk: c, skip: skip}, nil
		case errors.Is(err, errOtherKey):
			return chunkAnswer{number: q.number, again: true}, nil
		}
		var pg *pgconn.PgError
		if errors.As(err, &pg) && permanent(pg.Code) && !errors.Is(err, errNoConnection) {
			return chunkAnswer{number: q.number, skip: &skipped{statusSQL, err}}, nil
		}
		r.source.log.Warn("reading a chunk again", "table", q.table.String(), "in", wait, "err", err)
		r.table = nil
		if err := pause(ctx, wait); err != nil {
			return chunkAnswer{}, err
		}
	}
}

// errNoConnection says that the server has not let us in: no table is to blame.
var errNoConnection = errors.New("connect for a chunk")

// errOtherKey says that the table's place is one in the order of a key that it has not any more.
var errOtherKey = errors.New("the table has another key")

// read reads one chunk.
func (r *chunkReader) read(ctx context.Context, q *chunkRequest) (c *chunk, skip *skipped, err error) {
	db, err := r.catalog.db(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	defer func() {
		if err != nil { // whatever state it is in
			r.catalog.Close()
		}
	}()
	if q.table.Joined && !q.table.Began {
		if err := r.awaitWriters(ctx, db, q.table.name()); err != nil {
			return nil, nil, err
		}
	}
	mark := r.openMark(ctx, db)
	if c, skip, err = r.inSnapshot(ctx, db, q); err != nil || skip != nil {
		return nil, skip, err
	}
	if mark != "" {
		if c.end, err = r.closeMark(ctx, mark); err != nil {
			return nil, nil, err
		}
	}
	if err := c.makeIndex(); err != nil {
		return nil, &skipped{statusSQL, err}, nil
	}
	return c, nil, nil
}

// inSnapshot reads the chunk in one read-only transaction, which holds the table's definition
// still.
func (r *chunkReader) inSnapshot(ctx context.Context, db *pgx.Conn, q *chunkRequest) (*chunk, *skipped, error) {
	for {
		shown, err := r.begin(ctx, db, q.table.name())
		if err != nil {
			return nil, nil, err
		}
		if !shown.missing && shown.all(q.streamed) {
			c, skip, err := r.rows(ctx, db, q, shown)
			if err == nil && !db.IsClosed() { // fill closes it on rows that it does not take
				_, err = db.Exec(ctx, "COMMIT")
			}
			return c, skip, err
		}
		if _, err := db.Exec(ctx, "ROLLBACK"); err != nil {
			return nil, nil, err
		}
		if shown.missing {
			return nil, &skipped{statusSchema, fmt.Errorf("table %s does not exist any more", q.table.name())}, nil
		}
		// A transaction is in the WAL, and so in the stream, a little before it shows; with a
		// synchronous standby that is slow, long before.
		if err := pause(ctx, shownRetry); err != nil {
			return nil, nil, err
		}
	}
}

// shownNow is a snapshot of the database, and where it is.
type shownNow struct {
	visibility
	end       LSN
	id        uint32 // OID of the table
	missing   bool
	shape     string // of its columns
	published string // what the publication sends of it; "" for nothing
}

// all says whether the snapshot shows all transactions of the list.
func (s *shownNow) all(streamed []uint32) bool {
	for _, xid := range streamed {
		if int32(xid-s.xmin) >= 0 && !s.vague && !s.shows(xid) {
			return false
		}
	}
	return true
}
