package config

// Pos is a place in a file. The zero Pos is nowhere (settings that came over REST).
type Pos struct {
	File      string
	Line, Col int
}

// Entry is one setting.
type Entry struct {
	Key   string // flat: slot.name
	Raw   string // as written, references unresolved: what REST shows
	Value string // with ${env:…} and ${file:…} resolved; never logged
	Pos   Pos
}

// Section is a run of settings in file order: a connector, the worker, or a part of one such as
// the settings of a transform.
type Section struct {
	Path    string // for messages: connectors.orders
	Pos     Pos
	Entries []Entry
}
