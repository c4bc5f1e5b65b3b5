package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// parseJavaKey reads a key that Debezium has stored: the hex digits of a serialised Object[] of
// numbers and strings. ok is false for anything else.
// See https://docs.oracle.com/en/java/javase/21/docs/specs/serialization/protocol.html.
func parseJavaKey(digits string) (key []string, ok bool) {
	data, err := hex.DecodeString(digits)
	if err != nil || len(data) < 4 || binary.BigEndian.Uint32(data) != 0xaced0005 {
		return nil, false
	}
	j := javaReader{message: message{rest: data[4:]}}
	if j.byte() != javaArray || !j.class() {
		return nil, false
	}
	j.handles = append(j.handles, "") // the array itself
	n := int(int32(j.uint32()))
	for range n {
		text, ok := j.element()
		if !ok || j.bad {
			return nil, false
		}
		key = append(key, text)
	}
	return key, n > 0 && !j.bad
}

// javaReader reads the stream. Each class and object has a number, in the order of their first
// appearance, by which it is named later.
type javaReader struct {
	message
	handles []string // names of classes, texts of strings, "" for others
}

// The tags of the stream.
const (
	javaNull      = 0x70
	javaReference = 0x71
	javaClass     = 0x72
	javaObject    = 0x73
	javaString    = 0x74
	javaArray     = 0x75
	javaEndBlock  = 0x78
	firstHandle   = 0x7e0000
)

// last is what was described last: the class, or the string.
func (j *javaReader) last() string { return j.handles[len(j.handles)-1] }

// short takes a text with its length in front.
func (j *javaReader) short() string { return string(j.bytes(int(j.uint16()))) }

// class skips a description of a class, and leaves its handle.
func (j *javaReader) class() bool {
	switch j.byte() {
	case javaNull:
		return true
	case javaReference:
		return j.uint32() >= firstHandle && !j.bad
	case javaClass:
	default:
		return false
	}
	name := j.short()
	j.uint64() // serialVersionUID
	j.handles = append(j.handles, name)
	j.byte() // flags
	for range int(j.uint16()) {
		kind := j.byte()
		j.short() // name of the field
		if kind == 'L' || kind == '[' {
			if _, ok := j.text(); !ok { // type of the field
				return false
			}
		}
		if j.bad {
			return false
		}
	}
	return j.byte() == javaEndBlock && j.class() // the class above it
}

// text reads a string, or the name of one that came before.
func (j *javaReader) text() (string, bool) {
	switch j.byte() {
	case javaString:
		j.handles = append(j.handles, j.short())
		return j.last(), !j.bad
	case javaReference:
		return j.named(j.uint32())
	}
	return "", false
}

func (j *javaReader) named(handle uint32) (string, bool) {
	i := int(handle) - firstHandle
	if i < 0 || i >= len(j.handles) {
		return "", false
	}
	return j.handles[i], true
}

// element reads one part of the key.
func (j *javaReader) element() (string, bool) {
	if len(j.rest) > 0 && (j.rest[0] == javaString || j.rest[0] == javaReference) {
		return j.text()
	}
	if j.byte() != javaObject {
		return "", false
	}
	at := len(j.handles)
	var name string
	if len(j.rest) >= 5 && j.rest[0] == javaReference {
		j.byte()
		var ok bool
		if name, ok = j.named(j.uint32()); !ok {
			return "", false
		}
	} else {
		if !j.class() || len(j.handles) == at {
			return "", false
		}
		name = j.handles[at]
	}
	j.handles = append(j.handles, "")
	switch strings.TrimPrefix(name, "java.lang.") {
	case "Integer":
		return strconv.Itoa(int(int32(j.uint32()))), true
	case "Long":
		return strconv.FormatInt(int64(j.uint64()), 10), true
	case "Short":
		return strconv.Itoa(int(int16(j.uint16()))), true
	}
	return "", false
}
