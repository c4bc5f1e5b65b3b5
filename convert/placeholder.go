package convert

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"connectd/record"
)

// Placeholder recognizes what a source writes for a large value that an update has not changed, and
// that PostgreSQL has therefore not sent. Debezium writes the text where the type takes one, and
// something that spells it elsewhere; connectd's source spells it for the types for which Debezium
// writes null, too:
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
//
// A nil Placeholder recognizes nothing.
type Placeholder struct {
	octets []byte
	texts  [][]byte // of a single value, the octets as they are first
	uuid   []byte   // in an array
	docs   [][]byte // JSON texts, without blanks; an hstore, which may be a text too, is the first
}

// NewPlaceholder is for a setting: a text, or octets in hex after "hex:". Empty is nil.
func NewPlaceholder(setting string) (*Placeholder, error) {
	octets := []byte(setting)
	if digits, ok := strings.CutPrefix(setting, "hex:"); ok {
		var err error
		if octets, err = hex.DecodeString(digits); err != nil {
			return nil, errors.New("has something that is not hexadecimal after hex:; write two digits for each octet")
		}
	}
	if len(octets) == 0 {
		return nil, nil
	}
	encoded := base64.StdEncoding.AppendEncode(nil, octets)
	p := &Placeholder{
		octets: octets,
		texts:  [][]byte{octets, encoded, base64.URLEncoding.AppendEncode(nil, octets)},
		uuid:   nameUUID(octets),
	}
	quoted, _ := json.Marshal(string(octets)) // a string has JSON
	p.docs = [][]byte{
		fmt.Appendf(nil, `{%s:%s}`, quoted, quoted),
		fmt.Appendf(nil, `[%s]`, quoted),
		fmt.Appendf(nil, `["%s"]`, encoded),
		fmt.Appendf(nil, `["%s"]`, p.uuid),
		fmt.Appendf(nil, `[{%s:%s}]`, quoted, quoted),
		fmt.Appendf(nil, `{"wkb":"%s","srid":null}`, encoded),
	}
	variable := make([]string, len(octets)) // decimals with a scale of their own
	for i, c := range octets {
		variable[i] = fmt.Sprintf(`{"scale":0,"value":"%s"}`, base64.StdEncoding.EncodeToString([]byte{c}))
	}
	p.docs = append(p.docs, []byte("["+strings.Join(variable, ",")+"]"))
	for _, number := range []string{"%d", "%d.0"} {
		object, pairs := make([]string, len(octets)), make([]string, len(octets))
		for i, c := range octets {
			value := fmt.Sprintf(number, c)
			object[i] = fmt.Sprintf(`"%d":%s`, i+1, value)
			pairs[i] = fmt.Sprintf(`[%d,%s]`, i+1, value) // how Connect writes a map whose keys are not texts
		}
		p.docs = append(p.docs,
			fmt.Appendf(nil, `{"dimensions":%d,"vector":{%s}}`, len(octets), strings.Join(object, ",")),
			fmt.Appendf(nil, `{"dimensions":%d,"vector":[%s]}`, len(octets), strings.Join(pairs, ",")))
	}
	return p, nil
}

// nameUUID is Java's UUID.nameUUIDFromBytes: version 3 without a name space.
func nameUUID(name []byte) []byte {
	sum := md5.Sum(name)
	sum[6] = sum[6]&0x0f | 0x30
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Appendf(nil, "%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// Is says whether v stands for an unchanged value. It is asked for every cell.
func (p *Placeholder) Is(v *record.Value) bool {
	if p == nil {
		return false
	}
	switch v.Kind {
	case record.String:
		return p.isText(v.B) || len(v.B) > 0 && v.B[0] == '{' && sameJSON(v.B, p.docs[0])
	case record.Bytes:
		return bytes.Equal(v.B, p.octets)
	case record.JSON:
		return p.isDocument(v.B) || p.isNumbers(v.B) || p.isDecimals(v.B)
	case record.Array:
		return p.isArray(v.Items)
	case record.Map:
		return len(v.Items) == 2 && p.isText(v.Items[0].B) && p.isText(v.Items[1].B) || p.isSparse(v.Items)
	case record.Struct:
		return p.isStruct(v.Items)
	}
	return false
}

func (p *Placeholder) isText(text []byte) bool {
	for _, t := range p.texts {
		if len(t) == len(text) && bytes.Equal(t, text) {
			return true
		}
	}
	return false
}

func (p *Placeholder) isArray(items []record.Value) bool {
	if len(items) == 1 && (p.Is(&items[0]) || items[0].Kind == record.String && bytes.Equal(items[0].B, p.uuid)) {
		return true
	}
	if len(items) != len(p.octets) {
		return false
	}
	for i := range items {
		if !isCode(&items[i], p.octets[i]) {
			return false
		}
	}
	return true
}

// isStruct knows a geometry and a sparse vector.
func (p *Placeholder) isStruct(cells []record.Value) bool {
	if len(cells) != 2 {
		return false
	}
	return cells[0].Kind == record.Bytes && cells[1].Kind == record.Null && p.Is(&cells[0]) ||
		cells[0].Kind == record.Int && cells[1].Kind == record.Map && p.isSparse(cells[1].Items)
}

// isSparse knows the map of a sparse vector: the place of each octet, from 1, and its number.
func (p *Placeholder) isSparse(pairs []record.Value) bool {
	if len(pairs) != 2*len(p.octets) {
		return false
	}
	for i, c := range p.octets {
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
		digits, rest := wholeNumber(v.B)
		return len(rest) == 0 && digits == int(code)
	case record.Struct: // a decimal with a scale of its own
		return len(v.Items) == 2 && v.Items[0].Kind == record.Int && v.Items[0].N == 0 && len(v.Items[1].B) == 1 && v.Items[1].B[0] == code
	}
	return false
}

// isDocument knows the JSON texts, whatever blanks are between their parts.
func (p *Placeholder) isDocument(text []byte) bool {
	for _, d := range p.docs {
		if sameJSON(text, d) {
			return true
		}
	}
	return false
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

// isNumbers knows the text of a JSON array with the number of each octet, which may be quoted. It
// reads up to the first element that is another.
func (p *Placeholder) isNumbers(text []byte) bool {
	for i, code := range p.octets {
		text = bytes.TrimLeft(text, " \t\r\n")
		before := byte(',')
		if i == 0 {
			before = '['
		}
		if len(text) == 0 || text[0] != before {
			return false
		}
		n, rest := wholeNumber(bytes.TrimLeft(text[1:], ` "`))
		if n != int(code) {
			return false
		}
		text = bytes.TrimLeft(rest, `"`)
	}
	return string(bytes.TrimSpace(text)) == "]"
}

// isDecimals knows the text of a JSON array of decimals in base64. Their scale is in a schema that is
// not there, but it is the same for all of them.
func (p *Placeholder) isDecimals(text []byte) bool {
	between := []byte(`","`)
	if !bytes.HasPrefix(text, []byte(`["`)) || !bytes.HasSuffix(text, []byte(`"]`)) || bytes.Count(text, between) != len(p.octets)-1 {
		return false
	}
	var first int64
	for i, item := range bytes.Split(text[2:len(text)-2], between) {
		var octets [8]byte
		if base64.StdEncoding.DecodedLen(len(item)) > len(octets) {
			return false
		}
		n, err := base64.StdEncoding.Decode(octets[:], item)
		if err != nil {
			return false
		}
		var unscaled int64
		for _, c := range octets[:n] {
			unscaled = unscaled<<8 | int64(c)
		}
		if i == 0 {
			first = unscaled
		}
		const most = 1 << 48 // of a product that does not overflow
		if first == 0 || unscaled > most || first > most || unscaled*int64(p.octets[0]) != first*int64(p.octets[i]) {
			return false
		}
	}
	return true
}

// wholeNumber is the whole number at the start of text, zeros behind a point passed over; -1 for none.
func wholeNumber(text []byte) (n int, rest []byte) {
	end := 0
	for end < len(text) && end < len("255")+1 && text[end]-'0' <= 9 {
		end++
	}
	n, err := strconv.Atoi(string(text[:end]))
	if err != nil {
		return -1, text
	}
	if end < len(text) && text[end] == '.' {
		for end++; end < len(text) && text[end] == '0'; end++ {
		}
	}
	return n, text[end:]
}
