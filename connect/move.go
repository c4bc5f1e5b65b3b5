package connect

import (
	"context"
	"fmt"
)

// Mover is a Source that can go on where the program that it stands in for has stopped, and the
// other way round, for `connectd migrate`. Nothing is changed by its methods. An error is a
// sentence that says why it can not be done.
type Mover interface {
	// Partition is the source partition of the offset, the same in both programs.
	Partition() []byte
	// TakeOver makes ours of the other program's offset; nil when it has none.
	TakeOver(ctx context.Context, offset []byte) (Move, error)
	// GiveBack makes the other program's of our offset; nil when there is none.
	GiveBack(ctx context.Context, offset []byte) (Move, error)
}

// Move is what a change from one program to the other does.
type Move struct {
	Offset []byte   // to be stored for the other one
	Notes  []string // what is to be known, a sentence each
	Busy   string   // who reads the upstream at the moment, and has to be stopped first; "" for nobody
}

// Note adds a sentence.
func (m *Move) Note(format string, args ...any) {
	m.Notes = append(m.Notes, fmt.Sprintf(format, args...))
}
