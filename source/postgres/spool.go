package postgres

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// spools keep the changes of transactions that the server sends while they are still open, until
// they commit or abort. What does not fit into memory goes to temporary files that have no name
// any more: they are gone with the process, however it ends. One goroutine uses it.
type spools struct {
	limit   int64             // of held
	held    int64             // bytes in memory, of all together
	open    map[uint32]*spool // by the transaction's id
	current *spool            // of the block that is being received; nil outside of one
}

// spool has the messages of one transaction, in their order.
type spool struct {
	id      uint32
	buf     []byte   // the newest messages
	file    *os.File // the ones before; nil while all fit into memory
	written int64    // bytes in file
	aborted map[uint32]bool
}

// An entry of a spool: the length of the message, the id of its subtransaction, its LSN, and the
// message.
const entryHeader = 4 + 4 + 8

// begin makes the transaction's spool the current one.
func (s *spools) begin(id uint32) {
	if s.open == nil {
		s.open = map[uint32]*spool{}
	}
	if s.open[id] == nil {
		s.open[id] = &spool{id: id, aborted: map[uint32]bool{}}
	}
	s.current = s.open[id]
}

// add takes a message of the current transaction. When memory is full, the transaction with the
// most in it goes to its file.
func (s *spools) add(sub uint32, lsn LSN, kind byte, rest []byte) error {
	sp := s.current
	sp.buf = binary.BigEndian.AppendUint32(sp.buf, uint32(1+len(rest)))
	sp.buf = binary.BigEndian.AppendUint32(sp.buf, sub)
	sp.buf = binary.BigEndian.AppendUint64(sp.buf, uint64(lsn))
	sp.buf = append(append(sp.buf, kind), rest...)
	s.held += int64(entryHeader + 1 + len(rest))
	if s.held <= s.limit {
		return nil
	}
	largest := sp
	for _, other := range s.open {
		if len(other.buf) > len(largest.buf) {
			largest = other
		}
	}
	s.held -= int64(len(largest.buf))
	return largest.spill()
}

// spill moves what is in memory to the file.
func (sp *spool) spill() error {
	if sp.file == nil {
		file, err := os.CreateTemp("", "connectd-transaction-")
		if err != nil {
			return sp.failed(err)
		}
		if err := os.Remove(file.Name()); err != nil {
			return sp.failed(errors.Join(err, file.Close()))
		}
		sp.file = file
	}
	n, err := sp.file.Write(sp.buf)
	sp.written += int64(n)
	sp.buf = sp.buf[:0]
	if err != nil {
		return sp.failed(err)
	}
	return nil
}

func (sp *spool) failed(err error) error {
	return fmt.Errorf("keep the changes of transaction %d until it commits: %w; make room there, let TMPDIR name another folder, or set transaction.memory.max.bytes to 0 to leave them to the server", sp.id, err)
}

// take removes the transaction and returns its spool, nil when it has none.
func (s *spools) take(id uint32) *spool {
	sp := s.open[id]
	if sp != nil {
		s.held -= int64(len(sp.buf))
		delete(s.open, id)
	}
	return sp
}

// abort drops the changes of the transaction, or of its subtransaction when that is another.
func (s *spools) abort(id, sub uint32) {
	if id == sub {
		s.take(id).close()
	} else if sp := s.open[id]; sp != nil {
		sp.aborted[sub] = true
	}
}

// reset drops everything.
func (s *spools) reset() {
	for id := range s.open {
		s.take(id).close()
	}
	s.current = nil
}

// bytes is how much is kept, in memory and in files.
func (s *spools) bytes() int64 {
	n := s.held
	for _, sp := range s.open {
		n += sp.written
	}
	return n
}

// close gives the file back.
func (sp *spool) close() {
	if sp != nil && sp.file != nil {
		_ = sp.file.Close() // nobody needs its content any more
	}
}

// each calls f with every message that was not aborted. data is valid until f returns. Tables and
// types are announced once in a transaction: that of an aborted subtransaction counts for the rest.
func (sp *spool) each(f func(lsn LSN, data []byte) error) error {
	var from io.Reader = bytes.NewReader(sp.buf)
	if sp.file != nil {
		if _, err := sp.file.Seek(0, io.SeekStart); err != nil {
			return sp.failed(err)
		}
		from = io.MultiReader(bufio.NewReaderSize(sp.file, readBuffer), from)
	}
	var header [entryHeader]byte
	var data []byte
	for {
		if _, err := io.ReadFull(from, header[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return sp.failed(err)
		}
		n := int(binary.BigEndian.Uint32(header[:]))
		if n > cap(data) {
			data = make([]byte, n)
		}
		data = data[:n]
		if _, err := io.ReadFull(from, data); err != nil {
			return sp.failed(err)
		}
		if sp.aborted[binary.BigEndian.Uint32(header[4:])] && data[0] != 'R' && data[0] != 'Y' {
			continue
		}
		if err := f(LSN(binary.BigEndian.Uint64(header[8:])), data); err != nil {
			return err
		}
	}
}
