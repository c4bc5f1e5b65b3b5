package postgres

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/jackc/pgx/v5/pgproto3"
)

// copyReader stands between a connection and the driver, takes the rows of a COPY out of what the
// server sends, and passes the rest on: the driver would handle a message for each row. One
// goroutine uses it.
type copyReader struct {
	buf    *bufio.Reader
	pass   int                     // bytes of the message that is being passed on
	rows   func(data []byte) error // gets the content of each CopyData message; nil passes them on
	failed error                   // what rows returned; the driver gives up the connection then
	large  []byte                  // a message that is larger than the buffer
}

// copyFrontend builds frontends that read through a copyReader and hands that out.
func copyFrontend(reader **copyReader) func(io.Reader, io.Writer) *pgproto3.Frontend {
	return func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		*reader = &copyReader{buf: bufio.NewReaderSize(r, readBuffer)}
		return pgproto3.NewFrontend(*reader, w)
	}
}

// messageHead is a message's type and its length, which counts itself.
const messageHead = 5

// Read gives the driver what is not a row.
func (c *copyReader) Read(p []byte) (int, error) {
	for c.pass == 0 {
		head, err := c.buf.Peek(messageHead)
		if err != nil {
			return 0, err
		}
		n := 1 + int(binary.BigEndian.Uint32(head[1:]))
		if head[0] != 'd' || c.rows == nil {
			c.pass = n
			break
		}
		if err := c.take(n); err != nil {
			return 0, err
		}
	}
	n, err := c.buf.Read(p[:min(len(p), c.pass)])
	c.pass -= n
	return n, err
}

// take gives rows the content of the next message, which has n bytes.
func (c *copyReader) take(n int) error {
	if n <= c.buf.Size() {
		message, err := c.buf.Peek(n)
		if err != nil {
			return err
		}
		if c.failed = c.rows(message[messageHead:]); c.failed != nil {
			return c.failed
		}
		_, err = c.buf.Discard(n)
		return err
	}
	if cap(c.large) < n {
		c.large = make([]byte, n)
	}
	if _, err := io.ReadFull(c.buf, c.large[:n]); err != nil {
		return err
	}
	c.failed = c.rows(c.large[messageHead:n])
	if cap(c.large) > maxBatchBytes {
		c.large = nil // one such row should not hold the memory for the rest of the table
	}
	return c.failed
}
