package postgres

import "bytes"

// fits is nil when numeric(t.limit, t.scale) holds the plain decimal text without rounding.
func (t *typ) fits(text []byte) error {
	if t.limit == 0 {
		return nil
	}
	whole, fraction := 0, 0 // digits that count, up to the last one that is not zero
	after, afterPoint := 0, false
	for _, c := range text {
		switch {
		case c == '.':
			afterPoint = true
		case c < '0' || c > '9':
		case afterPoint:
			if after++; c != '0' {
				fraction = after
			}
		case c != '0' || whole > 0:
			whole++
		}
	}
	if fraction > max(t.scale, 0) || whole > t.limit-t.scale {
		return outOfNumeric(t, text, whole, fraction)
	}
	return nil
}

// canonical is the one form of a key's field, in place: fields that PostgreSQL compares as equal
// are the same bytes afterwards.
func (t *typ) canonical(field []byte) []byte {
	switch {
	case t.form == numericForm && bytes.IndexByte(field, '.') >= 0 && !bytes.ContainsAny(field, "eE"):
		return bytes.TrimSuffix(bytes.TrimRight(field, "0"), []byte("."))
	case t.blanks:
		return bytes.TrimRight(field, " ")
	case t.caseless:
		return bytes.ToLower(field)
	}
	return field
}
