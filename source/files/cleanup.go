package files

import (
	"fmt"
	"time"

	"connectd/internal/fault"
)

// finish notes that f is read to its end: it is cleaned up when that is durable.
func (r *run) finish(f *file) {
	f.phase = done
	r.ending = append(r.ending, f)
}

// cleanup does with finished files what cleanup.policy says.
func (r *run) cleanup() error {
	committed := r.task.Committed()
	left := r.ending[:0]
	for _, f := range r.ending {
		if f.phase != done { // read again, or gone
			continue
		}
		if f.mark > committed {
			left = append(left, f)
			continue
		}
		// Order of truth, 3: records and position are durable, the file may go.
		if err := r.cleanupFile(f); err != nil {
			return err
		}
	}
	clear(r.ending[len(left):])
	r.ending = left
	return nil
}

func (r *run) cleanupFile(f *file) error {
	if f.seen.path == "" || !f.lost.IsZero() {
		r.forget(f) // somebody else has removed it
		return nil
	}
	policy, dir := r.config.cleanup(), r.config.Finished
	if f.state.Error != "" {
		if policy, dir = "move", r.config.ErrorPath; dir == "" {
			policy = "none"
		}
	}
	if policy == "none" && f.seen.etag != "" { // an object is never added to
		f.phase, f.entry = finished, f.seen
		return nil
	}
	e, err := r.store.stat(f.seen.path)
	if missing(err) {
		r.forget(f)
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	if e.inode != f.seen.inode || e.size != f.state.Size || e.etag != f.state.ETag {
		// Something was added since it was read, or it is another file: the next listing sees it.
		f.seen.size, f.seen.mtime = e.size, e.mtime
		f.phase, f.changed = waiting, time.Now()
		return nil
	}
	switch policy {
	case "delete":
		err = r.store.remove(f.seen.path)
	case "move", "move-by-date":
		if policy == "move-by-date" {
			dir += "/" + f.seen.mtime.Format("2006-01-02")
		}
		err = r.store.move(f.seen, dir, r.config.KeepTree, f.id)
	default:
		f.phase, f.entry = finished, f.seen
		return nil
	}
	if err != nil && !missing(err) {
		return fmt.Errorf("clean up %q: %w", f.seen.path, err)
	}
	if m := r.config.Marker; m != "" {
		if err := r.store.remove(f.seen.path + m); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
	}
	fault.Point("source.confirmed")
	r.forget(f)
	return nil
}
