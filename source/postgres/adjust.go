package postgres

import (
	"strconv"
	"unicode/utf16"
)

// adjuster makes names that Avro allows of others: schema.name.adjustment.mode and
// field.name.adjustment.mode.
type adjuster struct {
	mode string
	dots bool // are allowed: in the names of schemas
}

// name is name with each character that Avro does not allow replaced.
func (a adjuster) name(name string) string {
	if a.mode == "none" || name == "" {
		return name
	}
	unicode := a.mode == "avro_unicode"
	changed := make([]byte, 0, len(name)+8)
	for i, c := range utf16.Encode([]rune(name)) { // Java's characters
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' && !unicode
		digit := c >= '0' && c <= '9'
		switch {
		case letter || i > 0 && (digit || c == '.' && a.dots):
			changed = append(changed, byte(c))
		case unicode:
			changed = append(changed, "_u"...)
			if c < 0x100 {
				changed = append(changed, "00"...)
			}
			changed = strconv.AppendUint(changed, uint64(c), 16)
		default:
			changed = append(changed, '_')
			if digit { // at the beginning: it stays, behind an underscore
				changed = append(changed, byte(c))
			}
		}
	}
	return string(changed)
}
