package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// errTruncated says that a WAL message ends before its content does.
var errTruncated = errors.New("the message is cut off")

// message reads the parts of a pgoutput message. After the first part that is missing, bad is
// set and all further parts are zero.
// See https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html.
type message struct {
	rest []byte
	bad  bool
}

// bytes takes the next n bytes.
func (m *message) bytes(n int) []byte {
	if n < 0 || n > len(m.rest) {
		m.bad, m.rest = true, nil
		return nil
	}
	p := m.rest[:n:n]
	m.rest = m.rest[n:]
	return p
}

func (m *message) byte() byte {
	if p := m.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (m *message) uint16() uint16 {
	if p := m.bytes(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (m *message) uint32() uint32 {
	if p := m.bytes(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (m *message) uint64() uint64 {
	if p := m.bytes(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// text takes a string that ends with a zero byte.
func (m *message) text() string {
	end := bytes.IndexByte(m.rest, 0)
	if end < 0 {
		m.bad, m.rest = true, nil
		return ""
	}
	s := string(m.rest[:end])
	m.rest = m.rest[end+1:]
	return s
}

// err says whether a part was missing.
func (m *message) err() error {
	if m.bad {
		return errTruncated
	}
	return nil
}

// announced is a Relation message: a table as the tuples that follow have it.
type announced struct {
	id       uint32
	schema   string
	table    string
	identity byte
	columns  []sent
}

func (m *message) relation() (announced, error) {
	r := announced{id: m.uint32(), schema: m.text(), table: m.text(), identity: m.byte()}
	if r.schema == "" {
		r.schema = "pg_catalog" // the protocol's abbreviation
	}
	n := int(m.uint16())
	for range n {
		r.columns = append(r.columns, sent{key: m.byte()&1 != 0, name: m.text(), typeID: m.uint32(), typmod: int32(m.uint32())})
		if m.bad {
			break
		}
	}
	return r, m.err()
}

// Markers of a tuple's values.
const (
	tupleNull      = 'n'
	tupleUnchanged = 'u'
	tupleText      = 't'
)

// lacksUnchanged says whether the tuple that comes next lacks values that it did not change.
func (m message) lacksUnchanged() bool {
	for range int(m.uint16()) {
		switch m.byte() {
		case tupleUnchanged:
			return true
		case tupleText:
			m.bytes(int(int32(m.uint32())))
		}
	}
	return false
}

// errColumns says that a tuple does not have the columns that were announced.
func (t *table) errColumns(n int) error {
	return fmt.Errorf("table %s: a tuple has %d columns, %d were announced", t, n, len(t.columns))
}
