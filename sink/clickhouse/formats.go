package clickhouse

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"connectd/record"
)

// formats are the patterns of dateTimeFormats by column, as layouts of Go's time package.
type formats struct {
	layouts map[string]string
	written string
}

// UnmarshalText reads column=pattern;column2=pattern2, with patterns of Java's DateTimeFormatter.
func (f *formats) UnmarshalText(text []byte) error {
	*f = formats{layouts: map[string]string{}, written: string(text)}
	for _, pair := range strings.Split(string(text), ";") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		column, pattern, ok := strings.Cut(pair, "=")
		if column = strings.TrimSpace(column); !ok || column == "" {
			return fmt.Errorf("%q is not column=pattern; separate several by semicolons", pair)
		}
		layout, err := layoutOf(strings.TrimSpace(pattern))
		if err != nil {
			return fmt.Errorf("column %s: %w", column, err)
		}
		f.layouts[column] = layout
	}
	return nil
}

// String is what was written.
func (f formats) String() string { return f.written }

// layoutParts are the parts of Java's patterns that Go's layouts know as well.
var layoutParts = map[string]string{
	"yyyy": "2006", "uuuu": "2006", "yy": "06", "uu": "06",
	"M": "1", "MM": "01", "MMM": "Jan", "MMMM": "January", "L": "1", "LL": "01",
	"d": "2", "dd": "02", "E": "Mon", "EE": "Mon", "EEE": "Mon", "EEEE": "Monday",
	"H": "15", "HH": "15", "h": "3", "hh": "03", "a": "PM", "m": "4", "mm": "04", "s": "5", "ss": "05",
	"z": "MST", "Z": "-0700", "ZZZ": "-0700", "ZZZZZ": "-07:00",
	"X": "Z07", "XX": "Z0700", "XXX": "Z07:00", "x": "-07", "xx": "-0700", "xxx": "-07:00",
}

// layoutOf translates a pattern of Java's DateTimeFormatter.
func layoutOf(pattern string) (string, error) {
	var layout strings.Builder
	for i := 0; i < len(pattern); {
		c := pattern[i]
		if c == '\'' {
			end := strings.IndexByte(pattern[i+1:], '\'')
			if end < 0 {
				return "", fmt.Errorf("%q has a quote without an end", pattern)
			}
			if end == 0 {
				layout.WriteByte('\'')
			}
			layout.WriteString(pattern[i+1 : i+1+end])
			i += end + 2
			continue
		}
		if c|0x20 < 'a' || c|0x20 > 'z' {
			layout.WriteByte(c)
			i++
			continue
		}
		end := i
		for end < len(pattern) && pattern[end] == c {
			end++
		}
		part := pattern[i:end]
		switch known, ok := layoutParts[part]; {
		case ok:
			layout.WriteString(known)
		case c == 'S' && len(part) <= 9 && i > 0 && (pattern[i-1] == '.' || pattern[i-1] == ','):
			layout.WriteString(strings.Repeat("0", len(part)))
		default:
			return "", fmt.Errorf("%q has %s, which is not supported; known are %s, and S for the digits behind a point", pattern, part,
				strings.Join(slices.Sorted(maps.Keys(layoutParts)), " "))
		}
		i = end
	}
	return layout.String(), nil
}

// The schemas of what moments in text become.
var (
	microMoment = &record.Schema{Type: record.Int64Type, Name: record.MicroTimestampName}
	nanoMoment  = &record.Schema{Type: record.Int64Type, Name: record.NanoTimestampName}
)

// parseMoment reads text by the layout, in UTC where it names no zone.
func parseMoment(layout string, text []byte) (record.Datum, error) {
	t, err := time.Parse(layout, string(text))
	if err != nil {
		return record.Datum{}, fmt.Errorf("%.80q does not have the format that dateTimeFormats names", text)
	}
	if t.Nanosecond()%1000 != 0 {
		return record.Datum{Schema: nanoMoment, Value: record.OfInt(t.UnixNano())}, nil
	}
	return record.Datum{Schema: microMoment, Value: record.OfInt(t.UnixMicro())}, nil
}
