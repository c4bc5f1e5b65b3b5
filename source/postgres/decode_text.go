package postgres

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"connectd/record"
)

func decodeText(v *record.Value, _ *record.Batch, text []byte) error {
	*v = record.OfString(text)
	return nil
}

// decodeTextOctets is Debezium's form of a type that it does not know: the octets of its text.
func decodeTextOctets(v *record.Value, _ *record.Batch, text []byte) error {
	*v = record.OfBytes(text)
	return nil
}

// errNewLabel says that an enum has a label that the table's schema does not list: ALTER TYPE
// does not announce itself in the stream.
var errNewLabel = errors.New("is a label that the schema does not list")

func enumDecoder(labels []string) decoder {
	return func(v *record.Value, _ *record.Batch, text []byte) error {
		if !slices.Contains(labels, string(text)) {
			return fmt.Errorf("%q %w", text, errNewLabel)
		}
		*v = record.OfString(text)
		return nil
	}
}

// bytea is the form of bytea in the configured binary.handling.mode.
func (f *forms) bytea() form { return f.octets(decodeBytea) }

// octets is the form of values that d decodes to octets.
func (f *forms) octets(d decoder) form {
	var encode func(dst, octets []byte) []byte
	switch f.values.Binary {
	case "hex":
		encode = hex.AppendEncode
	case "base64":
		encode = base64.StdEncoding.AppendEncode
	case "base64-url-safe":
		encode = base64.URLEncoding.AppendEncode
	default:
		made := f.plain(record.BytesType, "", d, record.OfBytes([]byte{}))
		made.unchanged = record.OfBytes(f.placeholder)
		return made
	}
	made := f.text("")
	made.decode = func(v *record.Value, b *record.Batch, text []byte) error {
		if err := d(v, b, text); err != nil {
			return err
		}
		octets := v.B
		*v = record.OfString(b.Append(2*len(octets)+4, func(dst []byte) []byte { return encode(dst, octets) }))
		return nil
	}
	return made
}

// decodeBytea decodes "\x0102" (bytea_output hex, which our sessions set) in place.
func decodeBytea(v *record.Value, _ *record.Batch, text []byte) error {
	if len(text) < 2 || text[0] != '\\' || text[1] != 'x' {
		return fmt.Errorf("a bytea does not begin with \\x")
	}
	n, err := hex.Decode(text, text[2:])
	if err != nil {
		return fmt.Errorf("a bytea is not hexadecimal: %w", err)
	}
	*v = record.OfBytes(text[:n])
	return nil
}

// bits is the form of bit(n) and varbit(n): a boolean for one bit, else octets.
func (f *forms) bits(name string, typmod int32) form {
	if typmod == 1 {
		return f.plain(record.BoolType, "", decodeBit, record.OfBool(false))
	}
	length := "2147483647"
	if typmod >= 0 {
		length = fmt.Sprint(typmod)
	} else if name == "bit" {
		length = "1"
	}
	made := f.plain(record.BytesType, record.BitsName, decodeBits, record.OfBytes([]byte{}))
	made.schema.Params = []record.Param{{Name: "length", Value: length}}
	if !f.debezium {
		made.unchanged = record.OfBytes(f.placeholder)
	}
	return made
}

func decodeBit(v *record.Value, _ *record.Batch, text []byte) error {
	if len(text) > 1 {
		return fmt.Errorf("%q is not one bit", text)
	}
	*v = record.OfBool(len(text) == 1 && text[0] == '1')
	return nil
}

// decodeBits packs "101" little-endian into as few octets as the highest set bit needs.
func decodeBits(v *record.Value, _ *record.Batch, text []byte) error {
	// The octets are written over the text from its end, where the lowest bits are read from
	// first: octet i is written after bit 8i has been read.
	octets, highest := 0, 0
	for at := len(text); at > 0; {
		var octet byte
		for bit := 0; bit < 8 && at > 0; bit++ {
			at--
			switch text[at] {
			case '1':
				octet |= 1 << bit
			case '0':
			default:
				return fmt.Errorf("%q is not a bit string", text)
			}
		}
		octets++
		text[len(text)-octets] = octet
		if octet != 0 {
			highest = octets
		}
	}
	p := text[len(text)-octets:]
	slices.Reverse(p)
	*v = record.OfBytes(p[:highest])
	return nil
}
