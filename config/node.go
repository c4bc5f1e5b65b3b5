package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// pair is one key of a mapping.
type pair struct {
	key    string
	at     Pos
	value  *yaml.Node
	merged bool // came in by <<: and gives way to a key that is written out
}

// spend takes one node from what the file may expand to, and follows n if it is an alias; nil
// when nothing is left.
func (l *loader) spend(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && l.nodes > 0 {
		l.nodes--
		n = n.Alias
	}
	if l.nodes--; l.nodes < 0 {
		if l.nodes == -1 {
			l.fail(l.name, fmt.Sprintf("expands to more than %d values; use fewer anchors", nodeLimit))
		}
		return nil
	}
	return n
}

// deeper counts one more level of nesting, and is false (and the problem reported) when there
// are too many: an anchor that contains itself has no end. shallower takes the level back.
func (l *loader) deeper(n *yaml.Node) bool {
	l.depth++
	if l.depth == depthLimit {
		l.problem(l.pos(n), "", fmt.Sprintf("is nested more than %d deep; does an anchor contain itself?", depthLimit))
		l.nodes = -1 // nothing more of this file is expanded
	}
	return l.depth < depthLimit
}

func (l *loader) shallower() { l.depth-- }

// pairs are the keys of the mapping n, those that it merges last.
func (l *loader) pairs(n *yaml.Node) []pair {
	var own, merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := l.spend(n.Content[i]), n.Content[i+1]
		switch {
		case key == nil:
			return nil
		case key.Tag == "!!merge":
			merged = append(merged, l.merge(value)...)
		case key.Kind != yaml.ScalarNode:
			l.problem(l.pos(key), "", "a key must be a word, not a "+shape(key)+"; put the value after a colon")
		default:
			own = append(own, pair{key: key.Value, at: l.pos(key), value: value})
		}
	}
	return append(own, merged...)
}

// merge are the keys of what stands after <<: a mapping or a list of them.
func (l *loader) merge(n *yaml.Node) []pair {
	at := l.pos(n)
	if n = l.spend(n); n == nil {
		return nil
	}
	defer l.shallower()
	if !l.deeper(n) {
		return nil
	}
	var merged []pair
	switch n.Kind {
	case yaml.MappingNode:
		merged = l.pairs(n)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			merged = append(merged, l.merge(item)...)
		}
	default:
		l.problem(at, "", "<< merges a mapping; write <<: *anchor")
	}
	for i := range merged {
		merged[i].merged = true
	}
	return merged
}

// flatten appends the settings of the mapping n to s: nested keys are joined by dots, lists by
// commas. prefix is "" or ends with a dot.
func (l *loader) flatten(s *Section, prefix string, n *yaml.Node, merged bool) {
	defer l.shallower()
	if !l.deeper(n) {
		return
	}
	for _, p := range l.pairs(n) {
		key := prefix + p.key
		p.merged = p.merged || merged
		value := l.spend(p.value)
		switch {
		case value == nil:
			return
		case value.Kind == yaml.MappingNode:
			l.flatten(s, key+".", value, p.merged)
		default:
			if text, ok := l.text(join(s.Path, key), p.at, value); ok {
				l.add(s, Entry{Key: key, Raw: text, Pos: p.at}, p.merged)
			}
		}
	}
}

// add appends e to s unless its key is there. What was merged gives way to what is written out.
func (l *loader) add(s *Section, e Entry, merged bool) {
	id := setting{s, e.Key}
	first, twice := l.settings[id]
	switch {
	case !twice:
		l.settings[id] = written{len(s.Entries), merged}
		s.Entries = append(s.Entries, e)
	case merged:
	case first.merged:
		l.settings[id] = written{first.index, false}
		s.Entries[first.index] = e
	default:
		l.problem(e.Pos, join(s.Path, e.Key), "is set twice, first at "+place(s.Entries[first.index].Pos, e.Pos)+"; remove one of them")
	}
}

// text is the value of a scalar, or of a list as "a,b,c" with the commas inside of items escaped
// by a backslash.
func (l *loader) text(path string, at Pos, n *yaml.Node) (text string, ok bool) {
	switch {
	case n.Kind == yaml.SequenceNode:
		items := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			item = l.spend(item)
			if item == nil {
				return "", false
			}
			if item.Kind != yaml.ScalarNode {
				l.problem(l.pos(item), path, "is a list of "+shape(item)+"s; write a list of plain values")
				return "", false
			}
			items = append(items, strings.ReplaceAll(item.Value, ",", `\,`))
		}
		return strings.Join(items, ","), true
	case n.Kind != yaml.ScalarNode:
		l.problem(at, path, "is a "+shape(n)+"; write a plain value")
		return "", false
	case n.Tag == "!!null":
		l.problem(at, path, `has no value; write one, "" for an empty one, or remove the key`)
		return "", false
	}
	return n.Value, true
}

// known are the pairs of a mapping of the file's form (not of settings) by key. It reports keys
// that are not among names, and keys that are there twice.
func (l *loader) known(path string, n *yaml.Node, names ...string) map[string]pair {
	pairs := map[string]pair{}
	for _, p := range l.pairs(n) {
		first, twice := pairs[p.key]
		switch {
		case twice && p.merged:
		case twice:
			l.problem(p.at, join(path, p.key), "is set twice, first at "+place(first.at, p.at)+"; remove one of them")
		case len(names) > 0 && !slices.Contains(names, p.key):
			l.problem(p.at, join(path, p.key), "is not a known key; "+meant(p.key, names))
		default:
			pairs[p.key] = p
		}
	}
	return pairs
}

// pos is the place of n.
func (l *loader) pos(n *yaml.Node) Pos { return Pos{l.name, n.Line, n.Column} }

func (l *loader) problem(at Pos, path, text string) {
	l.problems = append(l.problems, Problem{Pos: at, Path: path, Text: text})
}

// shape is the kind of n in words.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	}
	return "plain value"
}

// place is where first is, seen from second: without the file when it is the same.
func place(first, second Pos) string {
	if first.File == second.File {
		return fmt.Sprintf("line %d", first.Line)
	}
	return first.String()
}
