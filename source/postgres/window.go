package postgres

// window holds a chunk from the moment it is asked for until the last of its rows has its place
// in the stream. A row whose key the stream changes meanwhile is left out: what the change says
// is newer. So no row of a snapshot ever follows on a newer change of its key.
type window struct {
	number  int                // of the request; 0 when its answer is not wanted any more
	owed    int                // how many rows it reads again
	changed map[string]changed // by key, while the chunk is read; nil afterwards
	chunk   *chunk             // nil while it is read
	cleared []uint32           // transactions that truncated the table while it was read
	next    int                // row to send
	counted int                // rows that the table's progress has
	left    []bool             // rows that are left out; nil for none
}

// changed is the newest change of a key.
type changed struct {
	xid     uint32
	partial bool // it lacks large values that it did not change
}

// changedMost is how many keys may change while a chunk is read. More change only when the stream
// catches up with a backlog; the chunk is then read again afterwards.
const changedMost = 1 << 16

// change notes a change of the row with that key while the chunk is read.
func (w *window) change(key []byte, c changed) {
	if w.number == 0 {
		return // given up
	}
	if w.changed[string(key)] = c; len(w.changed) > changedMost {
		w.number, w.changed = 0, nil
	}
}

// fill gives the window its chunk. owed are the rows to read again: the stream has changed them
// after the chunk was read, with an update that lacks what it did not change.
func (w *window) fill(c *chunk) (owed [][]string) {
	w.chunk = c
	for key, change := range w.changed {
		row, ok := c.index[key]
		if !ok || c.shown.shows(change.xid) {
			continue // the chunk shows the change, or something newer
		}
		w.leaveOut(int(row))
		if change.partial {
			owed = append(owed, c.keyText(int(row)))
		}
	}
	for _, xid := range w.cleared {
		if !c.shown.shows(xid) {
			w.next = c.rows.count()
			owed = nil
		}
	}
	w.changed = nil
	return owed
}

// leaveOut leaves out the row.
func (w *window) leaveOut(row int) {
	if w.left == nil {
		w.left = make([]bool, w.chunk.rows.count())
	}
	w.left[row] = true
}

// find is the row with that key that is still to be sent, or -1.
func (w *window) find(key []byte) int {
	row, ok := w.chunk.index[string(key)]
	if !ok || int(row) < w.next || w.left != nil && w.left[row] {
		return -1
	}
	return int(row)
}

// done says whether every row has its place.
func (w *window) done() bool { return w.chunk != nil && w.next >= w.chunk.rows.count() }

// truncate takes the truncation of the table by transaction xid.
func (w *window) truncate(xid uint32) {
	if w.chunk == nil {
		w.cleared = append(w.cleared, xid)
	} else if !w.chunk.shown.shows(xid) {
		w.next = w.chunk.rows.count()
	}
}
