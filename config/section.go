package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Pos is a place in a file. The zero Pos is nowhere (settings that came over REST).
type Pos struct {
	File      string
	Line, Col int
}

// String is "file:line:col", or as much of it as is known.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Entry is one setting.
type Entry struct {
	Key   string // flat: slot.name
	Raw   string // as written, references unresolved: what REST shows
	Value string // with ${env:…} and ${file:…} resolved; never logged
	Pos   Pos

	unresolved bool // a reference has no value; the problem is reported already
}

// cover replaces e's value in a message by the reference that it came out of: it may be a secret.
// A value of less than 4 letters is none, and may be part of the message by chance.
func (e *Entry) cover(message string) string {
	if e.Raw == e.Value || len(e.Value) < 4 {
		return message
	}
	quoted := strconv.Quote(e.Value)
	return strings.NewReplacer(e.Value, e.Raw, quoted[1:len(quoted)-1], e.Raw).Replace(message)
}

// Section is a run of settings in file order: a connector, the worker, or a part of one such as
// the settings of a transform.
type Section struct {
	Path    string // for messages: connectors.orders
	Pos     Pos
	Entries []Entry

	prefix string // of a part made by Sub: what its keys are without
}

// Get is the entry of key; ok is false when it is not set.
func (s *Section) Get(key string) (e Entry, ok bool) {
	for _, e := range s.Entries {
		if e.Key == key {
			return e, true
		}
	}
	return Entry{}, false
}

// Sub is the part of s whose keys start with prefix, which is given with its dot
// ("transforms.unwrap.") and which the keys of the part are without. Positions stay, and the
// part's Path goes on from that of s, so that messages name the full key.
func (s *Section) Sub(prefix string) *Section {
	part := &Section{Path: join(s.Path, strings.TrimSuffix(prefix, ".")), Pos: s.Pos, prefix: s.prefix + prefix}
	for _, e := range s.Entries {
		rest, ok := strings.CutPrefix(e.Key, prefix)
		if !ok || rest == "" {
			continue
		}
		if len(part.Entries) == 0 {
			part.Pos = e.Pos
		}
		e.Key = rest
		part.Entries = append(part.Entries, e)
	}
	return part
}

// join is the full key of key in the section with that path.
func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
