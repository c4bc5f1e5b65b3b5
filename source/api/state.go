package api

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// state is how far an endpoint has been read: the stored offset.
type state struct {
	Cursor json.RawMessage `json:"cursor,omitempty"` // everything up to it was sent; as the API writes it
	Pass   *pass           `json:"pass,omitempty"`   // one that is not complete
	Seen   string          `json:"seen,omitempty"`   // what was sent between the lookback and the cursor
	Tag    *tag            `json:"tag,omitempty"`    // of the last answer
	Polled int64           `json:"polled,omitempty"` // when the last complete pass began, milliseconds since 1970; with a schedule only
}

// pass is a pass in which pages are still to be read.
type pass struct {
	Token   string          `json:"token,omitempty"` // token or URL of the next page
	Pages   int             `json:"pages"`           // that were read
	Records int             `json:"records"`         // that were in them
	Started int64           `json:"started"`         // milliseconds since 1970
	Limit   int64           `json:"limit"`           // the cursor does not move beyond it: nanoseconds since 1970
	Base    json.RawMessage `json:"base,omitempty"`  // the cursor when the pass began
	High    json.RawMessage `json:"high,omitempty"`  // the greatest cursor so far
	Seen    string          `json:"seen,omitempty"`  // what this pass has met and the next one meets again
	News    bool            `json:"news,omitempty"`  // something was sent
	Done    int             `json:"done,omitempty"`  // records of the next page that were sent: it is a long one
	Part    uint64          `json:"part,omitempty"`  // hash of them
}

// tag lets the server say that nothing has changed.
type tag struct {
	Request  uint64 `json:"request"` // hash of the request that it is about
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
}

// parseState reads a stored offset; nil is the begin.
func parseState(offset []byte) (state, error) {
	var s state
	if offset == nil {
		return s, nil
	}
	d := json.NewDecoder(bytes.NewReader(offset))
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("read the stored offset %.200s: %w; delete the connector's offset to read the API from the begin", offset, err)
	}
	return s, nil
}

func (s *state) text() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // strings and numbers always encode
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// partition is the source partition of an endpoint.
func partition(endpoint string) []byte {
	name, err := json.Marshal(endpoint)
	if err != nil {
		panic(err) // a string always marshals
	}
	return append(append([]byte(`{"connectd":"api","endpoint":`), name...), '}')
}
