package postgres

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"connectd/record"
)

// placeholder recognizes what a source writes for a large value that an update has not changed,
// and that PostgreSQL has therefore not sent. Debezium writes the text where the type takes one,
// and something that spells it elsewhere; connectd's source spells it for the types for which
// Debezium writes null, too:
//
//	text, json, xml, timestamptz, …       the text
//	bytea, bit varying                    its octets, in JSON without schema their base64
//	text[], json[], bytea[], …            an array of the one of the above
//	uuid[]                                an array of the UUID that Java makes of it
//	int[], date[], float8[], numeric[]    an array with a number for each octet
//	vector, halfvec                       the same
//	sparsevec                             {dimensions: n, vector: a number for each octet, from 1}
//	hstore                                the text as key and value, as a map or as JSON text
//	geometry, geography                   {wkb: its octets, srid: null}
type placeholder struct {
	text []byte   // the octets
	as   [][]byte // the texts of a single value, the octets as they are first
	docs [][]byte // the JSON texts, without blanks
}

// octetsOf is the placeholder of a configuration: a text, or octets in hex after "hex:".
func octetsOf(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "hex:")
	if !ok {
		return []byte(text), nil
	}
	octets, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("has something that is not hexadecimal after hex:; write two digits for each octet")
	}
	return octets, nil
}

func newPlaceholder(text []byte) *placeholder {
	p := &placeholder{text: text}
	if len(text) == 0 {
		return p // nothing stands for an unchanged value
	}
	base64Text := base64.StdEncoding.AppendEncode(nil, text)
	p.as = [][]byte{text, base64Text, base64.URLEncoding.AppendEncode(nil, text)}
	quoted, _ := json.Marshal(string(text)) // a string has JSON
	p.docs = [][]byte{
		fmt.Appendf(nil, `{%s:%s}`, quoted, quoted),
		fmt.Appendf(nil, `[%s]`, quoted),
		fmt.Appendf(nil, `["%s"]`, base64Text),
		fmt.Appendf(nil, `["%s"]`, nameUUID(text)),
		fmt.Appendf(nil, `[{%s:%s}]`, quoted, quoted),
		fmt.Appendf(nil, `{"wkb":"%s","srid":null}`, base64Text),
	}
	for _, number := range []string{"%d", "%d.0"} {
		object, pairs := make([]string, len(text)), make([]string, len(text))
		for i, c := range text {
			value := fmt.Sprintf(number, c)
			object[i] = fmt.Sprintf(`"%d":%s`, i+1, value)
			pairs[i] = fmt.Sprintf(`[%d,%s]`, i+1, value) // how Connect writes a map whose keys are not texts
		}
		p.docs = append(p.docs,
			fmt.Appendf(nil, `{"dimensions":%d,"vector":{%s}}`, len(text), strings.Join(object, ",")),
			fmt.Appendf(nil, `{"dimensions":%d,"vector":[%s]}`, len(text), strings.Join(pairs, ",")))
	}
	return p
}

// nameUUID is Java's UUID.nameUUIDFromBytes: version 3 without a name space.
func nameUUID(name []byte) string {
	sum := md5.Sum(name)
	sum[6] = sum[6]&0x0f | 0x30
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// is says whether v stands for an unchanged value. It is asked for every cell.
func (p *placeholder) is(v *record.Value) bool {
	switch v.Kind {
	case record.String:
		return p.isText(v.B) || len(v.B) > 0 && v.B[0] == '{' && p.isDocument(v.B)
	case record.Bytes:
		return len(p.text) > 0 && bytes.Equal(v.B, p.text)
	case record.JSON:
		return p.isDocument(v.B)
	case record.Array:
		return p.isArray(v.Items)
	case record.Map:
		return len(v.Items) == 2 && p.isText(v.Items[0].B) && p.isText(v.Items[1].B) || p.isSparse(v.Items)
	case record.Struct:
		return p.isStruct(v.Items)
	}
	return false
}

func (p *placeholder) isText(text []byte) bool {
	for _, t := range p.as {
		if len(t) == len(text) && bytes.Equal(t, text) {
			return true
		}
	}
	return false
}

func (p *placeholder) isArray(items []record.Value) bool {
	if len(items) == 1 && (p.is(&items[0]) || items[0].Kind == record.String && string(items[0].B) == nameUUID(p.text)) {
		return len(p.text) > 0
	}
	if len(items) != len(p.text) || len(items) == 0 {
		return false
	}
	for i := range items {
		if !isCode(&items[i], p.text[i]) {
			return false
		}
	}
	return true
}

// isStruct knows a geometry and a sparse vector.
func (p *placeholder) isStruct(cells []record.Value) bool {
	if len(cells) != 2 {
		return false
	}
	return cells[0].Kind == record.Bytes && cells[1].Kind == record.Null && p.is(&cells[0]) ||
		cells[0].Kind == record.Int && cells[1].Kind == record.Map && p.isSparse(cells[1].Items)
}

// isSparse knows the map of a sparse vector: the place of each octet, from 1, and its number.
func (p *placeholder) isSparse(pairs []record.Value) bool {
	if len(pairs) != 2*len(p.text) || len(pairs) == 0 {
		return false
	}
	for i, c := range p.text {
		if pairs[2*i].N != int64(i+1) || !isCode(&pairs[2*i+1], c) {
			return false
		}
	}
	return true
}

// isCode says whether v is the number of an octet.
func isCode(v *record.Value, code byte) bool {
	switch v.Kind {
	case record.Int:
		return v.N == int64(code)
	case record.Float:
		return v.Float() == float64(code)
	case record.Number:
		return isNumeral(v.B, code)
	case record.Struct: // a VariableScaleDecimal
		return len(v.Items) == 2 && v.Items[0].Kind == record.Int && v.Items[0].N == 0 && string(v.Items[1].B) == string([]byte{code})
	}
	return false
}

func isNumeral(text []byte, code byte) bool {
	f, err := strconv.ParseFloat(string(text), 64)
	return err == nil && f == float64(code)
}

// isDocument knows the JSON texts, whatever blanks are between their parts.
func (p *placeholder) isDocument(text []byte) bool {
	for _, d := range p.docs {
		if sameJSON(text, d) {
			return true
		}
	}
	return len(p.text) > 0 && len(text) > 2*len(p.text) && text[0] == '[' && p.isNumbers(text[1:])
}

// isNumbers reads what follows the bracket of a JSON array, up to the first element that is not
// the number of its octet.
func (p *placeholder) isNumbers(text []byte) bool {
	for i, c := range p.text {
		end := byte(',')
		if i == len(p.text)-1 {
			end = ']'
		}
		at := bytes.IndexByte(text[:min(len(text), 40)], end)
		if at < 0 || !isNumeral(bytes.TrimSpace(text[:at]), c) {
			return false
		}
		text = text[at+1:]
	}
	return len(bytes.TrimSpace(text)) == 0
}

// sameJSON compares a JSON text with one that has no blanks.
func sameJSON(text, compact []byte) bool {
	if len(text) < len(compact) {
		return false
	}
	for _, c := range text {
		if len(compact) > 0 && c == compact[0] {
			compact = compact[1:]
		} else if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return len(compact) == 0
}
