package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"connectd/internal/fault"
)

// cleanup does with finished files what cleanup.policy says.
func (r *run) cleanup() error {
	committed := r.task.Committed()
	for _, f := range append([]*file{}, r.files...) {
		if f.phase != done || f.mark > committed {
			continue
		}
		// Order of truth, 3: records and position are durable, the file may go.
		if err := r.cleanupFile(f); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) cleanupFile(f *file) error {
	if f.seen.path == "" || !f.lost.IsZero() {
		r.forget(f) // somebody else has removed it
		return nil
	}
	info, err := os.Stat(f.seen.path)
	if missing(err) {
		r.forget(f)
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	e := entryOf(f.seen.path, info)
	if e.inode != f.seen.inode || e.size != f.state.Size {
		// Something was added since it was read, or it is another file: the next listing sees it.
		f.seen.size, f.seen.mtime = e.size, e.mtime
		f.phase, f.changed = waiting, time.Now()
		return nil
	}
	policy, dir := r.config.cleanup(), r.config.Finished
	if f.state.Error != "" {
		if policy, dir = "move", r.config.ErrorPath; dir == "" {
			policy = "none"
		}
	}
	switch policy {
	case "delete":
		err = os.Remove(f.seen.path)
	case "move", "move-by-date":
		if policy == "move-by-date" {
			dir = filepath.Join(dir, f.seen.mtime.Format("2006-01-02"))
		}
		err = r.move(f.seen.path, dir, f.id)
	default:
		f.phase, f.entry = finished, f.seen
		return nil
	}
	if err != nil && !missing(err) {
		return fmt.Errorf("clean up %q: %w", f.seen.path, err)
	}
	if m := r.config.Marker; m != "" {
		if err := os.Remove(f.seen.path + m); err != nil && !missing(err) {
			return fmt.Errorf("clean up: %w", err)
		}
	}
	fault.Point("source.confirmed")
	r.forget(f)
	return nil
}

// move moves the file at path into the folder dir. A file that is there already stays.
func (r *run) move(path, dir, id string) error {
	if r.config.KeepTree {
		if rel, err := filepath.Rel(r.selection.dir, filepath.Dir(path)); err == nil && !strings.HasPrefix(rel, "..") {
			dir = filepath.Join(dir, rel)
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	name := filepath.Base(path)
	for n := 0; ; n++ {
		to := filepath.Join(dir, name)
		if n > 0 {
			to += "." + id
		}
		if n > 1 {
			to += "." + strconv.Itoa(n)
		}
		// A link fails where a rename would replace.
		err := os.Link(path, to)
		switch {
		case err == nil:
			return os.Remove(path)
		case os.IsExist(err):
			if sameFile(path, to) { // moved before, and killed between link and remove
				return os.Remove(path)
			}
		default:
			return moveAcross(path, to)
		}
	}
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// moveAcross moves where links can not: to another file system, or on one without links.
func moveAcross(path, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%q is there already", to)
	}
	err := os.Rename(path, to)
	if err == nil {
		return nil
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	part := to + ".part"
	copied, err := os.Create(part)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, from)
	if err = errors.Join(err, copied.Sync(), copied.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return os.Remove(path)
}
