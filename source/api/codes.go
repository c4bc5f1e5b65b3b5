package api

import (
	"fmt"
	"strconv"
	"strings"
)

// codes is a set of status codes, written 200..299,304.
type codes []struct{ from, to int }

// UnmarshalText reads codes and ranges, with commas between them; 200-299 is a range too.
func (c *codes) UnmarshalText(text []byte) error {
	*c = codes{}
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		low, high, ok := strings.Cut(strings.ReplaceAll(part, "..", "-"), "-")
		if !ok {
			high = low
		}
		from, err := strconv.Atoi(strings.TrimSpace(low))
		to, err2 := strconv.Atoi(strings.TrimSpace(high))
		if err != nil || err2 != nil || from < 100 || to > 599 || from > to {
			return fmt.Errorf("%q is not a status code or a range of them; write 200..299,304", part)
		}
		*c = append(*c, struct{ from, to int }{from, to})
	}
	return nil
}

// String is the set as it may be written.
func (c codes) String() string {
	var parts []string
	for _, r := range c {
		if r.from == r.to {
			parts = append(parts, strconv.Itoa(r.from))
		} else {
			parts = append(parts, fmt.Sprintf("%d..%d", r.from, r.to))
		}
	}
	return strings.Join(parts, ",")
}

// has says whether code is in the set.
func (c codes) has(code int) bool {
	for _, r := range c {
		if code >= r.from && code <= r.to {
			return true
		}
	}
	return false
}
