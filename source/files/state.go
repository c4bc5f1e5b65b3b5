package files

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// state is what is known of a file, as it is stored: where it was and what it looked like, and
// up to where it was read. It is durable once the batch that carries it is.
type state struct {
	Path   string `json:"path"`
	Dev    uint64 `json:"dev"`
	Inode  uint64 `json:"inode"`
	ETag   string `json:"etag,omitempty"` // of an object in a bucket
	Size   int64  `json:"size"`
	MTime  int64  `json:"mtime"` // nanoseconds since 1970
	Offset int64  `json:"offset"`
	Line   int64  `json:"line"`

	// Head and Tail are the first bytes of what was read and the last ones before Offset.
	Head sum `json:"head"`
	Tail sum `json:"tail"`

	Row int64 `json:"row,omitempty"` // records behind Offset that were read, of a block of an Avro file

	Header []string `json:"header,omitempty"` // of a CSV file
	Types  []string `json:"types,omitempty"`  // of its columns, when they were sampled
	Ranges []span   `json:"ranges,omitempty"` // not yet read to their ends; the first one's At is Offset
	Done   bool     `json:"done,omitempty"`
	Error  string   `json:"error,omitempty"` // why the file was given up
}

// sum is a digest of n bytes.
type sum struct {
	N   int    `json:"n"`
	Sum string `json:"sum,omitempty"`
}

func sumOf(p []byte) sum {
	if len(p) == 0 {
		return sum{}
	}
	return sum{len(p), strconv.FormatUint(xxhash.Sum64(p), 16)}
}

// is says whether p is the bytes of s.
func (s sum) is(p []byte) bool { return s == sumOf(p) }

const partitionBegin = `{"connectd":"files","id":`

// partitionOf is the source partition of the file with that identity.
func partitionOf(id string) []byte {
	return []byte(partitionBegin + strconv.Quote(id) + "}")
}

// idOf is the identity in a source partition; ok is false when it is none of ours.
func idOf(partition string) (id string, ok bool) {
	var p struct {
		Connectd string `json:"connectd"`
		ID       string `json:"id"`
	}
	if json.Unmarshal([]byte(partition), &p) != nil || p.Connectd != "files" {
		return "", false
	}
	return p.ID, p.ID != ""
}

func parseState(offset []byte) (state, error) {
	var s state
	if err := json.Unmarshal(offset, &s); err != nil {
		return s, fmt.Errorf("read the stored offset %s: %w", offset, err)
	}
	return s, nil
}

// append writes s in the form that parseState reads.
func (s *state) append(dst []byte) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	return append(dst, text...)
}

// newID is an identity for a file that nothing is known of: what it begins with, and where it
// was first seen. taken says which identities are in use.
func newID(head []byte, e *entry, taken func(id string) bool) string {
	h := xxhash.New()
	_, _ = h.Write(head) // never fails
	_, _ = fmt.Fprintf(h, "\x00%s\x00%d\x00%d", e.path, e.dev, e.inode)
	for n := 0; ; n++ {
		_, _ = fmt.Fprintf(h, "\x00%d", n)
		if id := hex.EncodeToString(h.Sum(nil)); !taken(id) {
			return id
		}
	}
}
