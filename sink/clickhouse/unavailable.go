package clickhouse

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"connectd/convert"
	"connectd/record"
)

// What becomes of a value that its update did not change and the source therefore does not know:
// a placeholder must never be stored as if it were the value, and ClickHouse replaces whole rows,
// so the column can not be left alone either.
const (
	unavailableFail    = "fail"
	unavailableDefault = "default"
	unavailableLookup  = "lookup"
)

// placeholder recognizes what a source writes for such a value, in the forms that Debezium and
// connectd give it in columns of other types than text.
type placeholder struct {
	handling string
	text     []byte
	scalars  [][]byte // as text: itself, a bytea's base64, the hstore, and in an array of UUIDs
	json     [][]byte // as JSON text, for records without schemas
	shortest int      // of the scalars
}

// octets are what the setting stands for: its text, or what hex: in front of it encodes.
func octets(setting string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(setting, "hex:"); ok {
		return hex.DecodeString(digits)
	}
	return []byte(setting), nil
}

// newPlaceholder returns nil when the setting is empty: then everything is a value.
func newPlaceholder(setting, handling string) (*placeholder, error) {
	text, err := octets(setting)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	quoted, err := json.Marshal(string(text))
	if err != nil {
		return nil, err
	}
	encoded := base64.StdEncoding.EncodeToString(text)
	hstore := fmt.Sprintf("{%s:%s}", quoted, quoted)
	uuid := nameUUID(text)
	scaled, sparse := make([]string, len(text)), make([]string, len(text))
	for i, c := range text {
		sparse[i] = fmt.Sprintf("[%d,%d.0]", i+1, c)
		scaled[i] = fmt.Sprintf(`{"scale":0,"value":"%s"}`, base64.StdEncoding.EncodeToString([]byte{c}))
	}
	return &placeholder{
		handling: handling,
		text:     text,
		shortest: min(len(text), len(uuid)),
		scalars:  [][]byte{text, []byte(encoded), []byte(hstore), []byte(uuid)},
		json: [][]byte{
			fmt.Appendf(nil, "[%s]", quoted), fmt.Appendf(nil, "[%q]", encoded), fmt.Appendf(nil, "[%q]", uuid),
			[]byte(hstore), fmt.Appendf(nil, `{"wkb":%q,"srid":null}`, encoded),
			[]byte("[" + strings.Join(scaled, ",") + "]"),
			fmt.Appendf(nil, `{"dimensions":%d,"vector":[%s]}`, len(text), strings.Join(sparse, ",")),
		},
	}, nil
}

// nameUUID is Java's UUID.nameUUIDFromBytes: version 3 without a name space.
func nameUUID(name []byte) string {
	sum := md5.Sum(name)
	sum[6] = sum[6]&0x0f | 0x30
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}

// is says whether v stands for an unchanged value. It is asked for every cell that may.
func (p *placeholder) is(v *record.Value) bool {
	switch v.Kind {
	case record.String, record.Bytes:
		return len(v.B) >= p.shortest && oneOf(v.B, p.scalars)
	case record.JSON:
		return oneOf(v.B, p.json) || p.codesText(v.B) || p.codesBase64(v.B)
	case record.Array:
		return len(v.Items) == 1 && p.is(&v.Items[0]) || p.codes(v.Items)
	case record.Struct:
		return len(v.Items) == 2 && (p.geometry(v.Items) || p.sparse(&v.Items[1]))
	case record.Map:
		return len(v.Items) == 2 && p.is(&v.Items[0]) && p.is(&v.Items[1])
	}
	return false
}

// geometry says whether the octets are the placeholder's; it has no SRID then.
func (p *placeholder) geometry(items []record.Value) bool {
	return items[0].Kind == record.Bytes && p.is(&items[0]) && items[1].IsNull()
}

// sparse is codes for the elements of a sparse vector, by their indexes from 1 on.
func (p *placeholder) sparse(v *record.Value) bool {
	if v.Kind != record.Map || len(v.Items) != 2*len(p.text) {
		return false
	}
	for i, code := range p.text {
		if v.Items[2*i].N != int64(i+1) || !isCode(&v.Items[2*i+1], code) {
			return false
		}
	}
	return true
}

func oneOf(b []byte, forms [][]byte) bool {
	for _, f := range forms {
		if len(b) == len(f) && bytes.Equal(b, f) {
			return true
		}
	}
	return false
}

// codes says whether an array of numbers has the placeholder's octets, one for each.
func (p *placeholder) codes(items []record.Value) bool {
	if len(items) != len(p.text) {
		return false
	}
	for i := range items {
		if v := &items[i]; !isCode(v, p.text[i]) {
			return false
		}
	}
	return true
}

func isCode(v *record.Value, code byte) bool {
	switch v.Kind {
	case record.Int:
		return v.N == int64(code)
	case record.Float:
		return v.Float() == float64(code)
	case record.Number:
		digits, rest := wholeNumber(v.B)
		return len(rest) == 0 && digits == int(code)
	case record.Struct:
		// A decimal with a scale of its own.
		return len(v.Items) == 2 && v.Items[0].N == 0 && len(v.Items[1].B) == 1 && v.Items[1].B[0] == code
	}
	return false
}

// codesText is codes for the text of a JSON array of numbers, which may be quoted.
func (p *placeholder) codesText(text []byte) bool {
	for i, code := range p.text {
		text = bytes.TrimLeft(text, " \t\r\n")
		bracket := byte(',')
		if i == 0 {
			bracket = '['
		}
		if len(text) == 0 || text[0] != bracket {
			return false
		}
		text = bytes.TrimLeft(text[1:], ` "`)
		n, rest := wholeNumber(text)
		if n != int(code) {
			return false
		}
		text = bytes.TrimLeft(rest, `"`)
	}
	return string(bytes.TrimSpace(text)) == "]"
}

// codesBase64 is codes for the text of a JSON array of decimals in base64. Their scale is in a
// schema that is not there, but it is the same for all of them.
func (p *placeholder) codesBase64(text []byte) bool {
	between := []byte(`","`)
	if !bytes.HasPrefix(text, []byte(`["`)) || !bytes.HasSuffix(text, []byte(`"]`)) || bytes.Count(text, between) != len(p.text)-1 {
		return false
	}
	items := bytes.Split(text[2:len(text)-2], between)
	var first int64
	for i, item := range items {
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
		if first == 0 || unscaled > 1<<48 || first > 1<<48 || unscaled*int64(p.text[0]) != first*int64(p.text[i]) {
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

// errUnavailable is a placeholder in a column, and why it is refused.
type errUnavailable struct{ column string }

func (e errUnavailable) Error() string {
	return "column " + quoteName(e.column) + " has the placeholder of a large value that the update did not change"
}

// unavailableError says what to do about a placeholder in r.
func (t *table) unavailableError(column string, r *record.Record, why string) error {
	key, err := convert.AppendJSON(nil, r.Key)
	if err != nil || len(key) == 0 {
		key = []byte("null")
	}
	return fmt.Errorf("%w; key %.200s of table %s: %s: at the source set REPLICA IDENTITY FULL on the table or post.processors: reselector on the connector, or here unavailable.value.handling: lookup (the stored value) or default (NULL or empty)",
		errUnavailable{column}, key, t.quoted, why)
}
