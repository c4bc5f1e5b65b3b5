package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/itchyny/gojq"

	"connectd/convert"
)

// answer is a page as it came: its records, and where the next page is.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	records  [][]byte // JSON texts, in the body's memory or in the reader's
	compact  bool     // without white space between their parts
	missing  bool     // there is nothing where the list should be
	token    string   // of the next page, "" for none
	tag      tag
	asked    uint64 // hash of the request
	at       string // where it came from, for messages
	finalURL string // what relative URLs are relative to
}

// reader takes answers apart.
type reader struct {
	format    string
	delimiter rune
	pointers  []convert.Pointer // of the list, and of the token
	parts     [][]byte
	jq        *gojq.Code
	header    string // that holds the token
	records   [][]byte
	built     []byte // records that were not in the answer as JSON text
}

const (
	listPart = iota
	tokenPart
)

// newReader compiles the settings of e; key is the setting that an error is about.
func newReader(e *Endpoint) (r *reader, key string, err error) {
	r = &reader{format: e.Format, header: e.TokenHeader, pointers: make([]convert.Pointer, 2), parts: make([][]byte, 2)}
	if r.pointers[listPart], err = convert.ParsePointer(e.List); err != nil {
		return nil, "http.response.list.pointer", err
	}
	if r.pointers[tokenPart], err = convert.ParsePointer(e.TokenPointer); err != nil {
		return nil, "http.pagination.token.pointer", err
	}
	if e.TokenPointer == "" {
		r.pointers = r.pointers[:tokenPart]
		r.parts = r.parts[:tokenPart]
	}
	if runes := []rune(e.Delimiter); len(runes) == 1 {
		r.delimiter = runes[0]
	} else {
		return nil, "http.response.csv.delimiter", fmt.Errorf("%q is not one character", e.Delimiter)
	}
	if e.JQ != "" {
		query, err := gojq.Parse(e.JQ)
		if err == nil {
			r.jq, err = gojq.Compile(query)
		}
		if err != nil {
			return nil, "http.response.jq", fmt.Errorf("is not a jq program: %w", err)
		}
	}
	return r, "", nil
}

// read finds the records of a and the token of the next page.
func (r *reader) read(ctx context.Context, a *answer) error {
	r.records, r.built = r.records[:0], r.built[:0]
	var err error
	switch {
	case a.status == http.StatusNoContent && len(a.body) == 0:
	case r.format == "jsonl":
		err = r.lines(a.body)
	case r.format == "csv":
		a.compact = true
		err = r.csv(a.body)
	case r.format == "xml":
		if r.built, err = appendXML(r.built, a.body); err == nil {
			err = r.json(ctx, a, r.built)
		}
	default:
		err = r.json(ctx, a, a.body)
	}
	if err != nil {
		return fmt.Errorf("read the answer of %s (%s, %d bytes, beginning with %q): %w", a.at, a.header.Get("Content-Type"), len(a.body), begin(a.body), err)
	}
	a.records = r.records
	if r.header != "" {
		a.token = a.header.Get(r.header)
	}
	return nil
}

// json reads text, which is a's body or was made of it. It reads all of it before it believes any:
// an answer that was cut off behind its list would look like the last page.
func (r *reader) json(ctx context.Context, a *answer, text []byte) error {
	var err error
	if r.records, a.compact, err = convert.FindList(r.records, text, r.pointers, r.parts); err != nil {
		return err
	}
	if len(r.parts) > tokenPart {
		a.token = tokenText(r.parts[tokenPart])
	}
	if r.jq != nil {
		r.records, a.compact = r.records[:0], true
		return r.program(ctx, text)
	}
	list := r.parts[listPart]
	switch {
	case list == nil || string(list) == "null":
		a.missing = list == nil // many APIs leave an empty list out
	case list[0] != '[':
		r.records = append(r.records, list)
	}
	return nil
}

// tokenText is the content of a token; null, false and nothing are none.
func tokenText(part []byte) string {
	switch string(part) {
	case "", "null", "false":
		return ""
	}
	return string(convert.AppendContent(nil, part))
}

// program runs the jq program. An array among its results stands for its elements.
func (r *reader) program(ctx context.Context, body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber() // a float would round large numbers
	var document any
	if err := d.Decode(&document); err != nil {
		return err
	}
	iter := r.jq.RunWithContext(ctx, document)
	for {
		result, ok := iter.Next()
		if !ok {
			return nil
		}
		if err, failed := result.(error); failed {
			return fmt.Errorf("run http.response.jq: %w", err)
		}
		list, isList := result.([]any)
		if !isList {
			list = []any{result}
		}
		for _, v := range list {
			text, err := gojq.Marshal(v)
			if err != nil {
				return fmt.Errorf("write a result of http.response.jq: %w", err)
			}
			r.records = append(r.records, text)
		}
	}
}

// lines reads one JSON text a line.
func (r *reader) lines(body []byte) error {
	n := 0
	for line := range bytes.Lines(body) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := convert.Find(line, nil, nil); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		r.records = append(r.records, line)
	}
	return nil
}

// csv reads lines of columns, the first of which has their names. Every value is a string.
func (r *reader) csv(body []byte) error {
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	rows.Comma, rows.ReuseRecord = r.delimiter, true
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	var names [][]byte
	for _, name := range header {
		names = append(names, append(convert.AppendQuoted(nil, []byte(name)), ':'))
	}
	var ends []int
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for i, cell := range row {
			separator := byte(',')
			if i == 0 {
				separator = '{'
			}
			r.built = append(append(r.built, separator), names[i]...)
			r.built = convert.AppendQuoted(r.built, []byte(cell))
		}
		r.built = append(r.built, '}')
		ends = append(ends, len(r.built))
	}
	start := 0
	for _, end := range ends {
		r.records = append(r.records, r.built[start:end:end])
		start = end
	}
	return nil
}
