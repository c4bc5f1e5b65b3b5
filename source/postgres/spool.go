package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// spoolChunk is how much of a spool is allocated, written and read at a time.
	spoolChunk = 256 << 10
	// freeChunks is how many chunks that were written are kept for what comes next.
	freeChunks = 4
)

// spools keep the changes of transactions that the server sends while they are still open, until
// they commit or abort. What does not fit into memory goes to temporary files that have no name
// any more: they are gone with the process, however it ends. One goroutine uses it.
type spools struct {
	limit   int64             // of held; a few chunks at least
	held    int64             // bytes of memory, of all together
	open    map[uint32]*spool // by the transaction's id
	current *spool            // of the block that is being received; nil outside of one
	free    [][]byte          // chunks that were written, at most freeChunks
}

// spool has the messages of one transaction, in their order.
type spool struct {
	id      uint32
	first   LSN      // of its first change
	chunks  [][]byte // the newest messages
	held    int64    // bytes of memory
	file    *os.File // the ones before, each chunk after its length; nil while all fit into memory
	written int64    // bytes in file
	aborted map[uint32]bool
}

// An entry of a chunk: the length of the message, the id of its subtransaction, its LSN, and the
// message.
const entryHeader = 4 + 4 + 8

// begin makes the transaction's spool the current one. lsn is where its next change is.
func (s *spools) begin(id uint32, lsn LSN) {
	if s.open == nil {
		s.open = map[uint32]*spool{}
	}
	if s.open[id] == nil {
		s.open[id] = &spool{id: id, first: lsn, aborted: map[uint32]bool{}}
	}
	s.current = s.open[id]
}

// add takes a message of the current transaction. When memory is full, the transaction with the
// most in it goes to its file; of one that has a file no more than a chunk is in memory.
func (s *spools) add(sub uint32, lsn LSN, kind byte, rest []byte) error {
	sp, n := s.current, entryHeader+1+len(rest)
	chunk, err := s.chunk(sp, n)
	if err != nil {
		return err
	}
	*chunk = binary.BigEndian.AppendUint32(*chunk, uint32(1+len(rest)))
	*chunk = binary.BigEndian.AppendUint32(*chunk, sub)
	*chunk = binary.BigEndian.AppendUint64(*chunk, uint64(lsn))
	*chunk = append(append(*chunk, kind), rest...)
	if s.held <= s.limit {
		return nil
	}
	largest := sp
	for _, other := range s.open {
		if other.held > largest.held {
			largest = other
		}
	}
	return s.spill(largest)
}

// chunk is the chunk of sp that the next n bytes go to.
func (s *spools) chunk(sp *spool, n int) (*[]byte, error) {
	last := len(sp.chunks) - 1
	if last < 0 || len(sp.chunks[last])+n > cap(sp.chunks[last]) {
		if sp.file != nil {
			if err := s.spill(sp); err != nil {
				return nil, err
			}
			last = -1
		}
		var chunk []byte
		if free := len(s.free) - 1; free >= 0 && n <= spoolChunk {
			chunk, s.free = s.free[free], s.free[:free]
		} else {
			chunk = make([]byte, 0, max(n, spoolChunk))
		}
		sp.chunks = append(sp.chunks, chunk)
		sp.held += int64(cap(chunk))
		s.held += int64(cap(chunk))
		last++
	}
	return &sp.chunks[last], nil
}

// spill moves what sp has in memory to its file.
func (s *spools) spill(sp *spool) error {
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
	for _, chunk := range sp.chunks {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(chunk)))
		if _, err := sp.file.Write(length[:]); err != nil {
			return sp.failed(err)
		}
		if _, err := sp.file.Write(chunk); err != nil {
			return sp.failed(err)
		}
		sp.written += int64(len(chunk))
		if cap(chunk) == spoolChunk && len(s.free) < freeChunks {
			s.free = append(s.free, chunk[:0])
		}
	}
	s.held -= sp.held
	clear(sp.chunks) // else they stay in memory
	sp.chunks, sp.held = sp.chunks[:0], 0
	return nil
}

func (sp *spool) failed(err error) error {
	return fmt.Errorf("keep the changes of transaction %d until it commits: %w; make room there, let TMPDIR name another folder, or set transaction.memory.max.bytes to 0 to leave them to the server", sp.id, err)
}

// take removes the transaction and returns its spool, nil when it has none. One that has a file is
// there as a whole from then on, so that what is handled does not share the memory with it.
func (s *spools) take(id uint32) (*spool, error) {
	sp := s.open[id]
	if sp != nil && sp.file != nil {
		if err := s.spill(sp); err != nil {
			return nil, err
		}
		s.free = nil
	}
	return s.remove(id), nil
}

// remove removes the transaction and returns its spool as it is, nil when it has none.
func (s *spools) remove(id uint32) *spool {
	sp := s.open[id]
	if sp != nil {
		s.held -= sp.held
		delete(s.open, id)
	}
	return sp
}

// abort drops the changes of the transaction, or of its subtransaction when that is another.
func (s *spools) abort(id, sub uint32) {
	if id == sub {
		s.remove(id).close()
	} else if sp := s.open[id]; sp != nil {
		sp.aborted[sub] = true
	}
}

// reset drops everything.
func (s *spools) reset() {
	for id := range s.open {
		s.remove(id).close()
	}
	s.current, s.free = nil, nil
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
	if sp.file != nil {
		if err := sp.eachWritten(f); err != nil {
			return err
		}
	}
	for _, chunk := range sp.chunks {
		if err := sp.eachOf(chunk, f); err != nil {
			return err
		}
	}
	return nil
}

// eachWritten is each of the file's messages.
func (sp *spool) eachWritten(f func(lsn LSN, data []byte) error) error {
	if _, err := sp.file.Seek(0, io.SeekStart); err != nil {
		return sp.failed(err)
	}
	var length [4]byte
	var chunk []byte
	for {
		if _, err := io.ReadFull(sp.file, length[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return sp.failed(err)
		}
		n := int(binary.BigEndian.Uint32(length[:]))
		if n > cap(chunk) {
			chunk = make([]byte, n)
		}
		chunk = chunk[:n]
		if _, err := io.ReadFull(sp.file, chunk); err != nil {
			return sp.failed(err)
		}
		if err := sp.eachOf(chunk, f); err != nil {
			return err
		}
	}
}

// eachOf is each of a chunk's messages.
func (sp *spool) eachOf(chunk []byte, f func(lsn LSN, data []byte) error) error {
	for len(chunk) > 0 {
		n := entryHeader + int(binary.BigEndian.Uint32(chunk))
		sub, lsn, data := binary.BigEndian.Uint32(chunk[4:]), LSN(binary.BigEndian.Uint64(chunk[8:])), chunk[entryHeader:n]
		chunk = chunk[n:]
		if len(sp.aborted) > 0 && sp.aborted[sub] && data[0] != 'R' && data[0] != 'Y' {
			continue
		}
		if err := f(lsn, data); err != nil {
			return err
		}
	}
	return nil
}
