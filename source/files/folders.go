package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// folders is the store of a file system.
type folders struct {
	*selection
	config *Config
}

// list are the selected files in no order, and the folders that they may appear in.
func (s *folders) list(ctx context.Context) (files []entry, folders []string, err error) {
	seen := map[string]bool{}
	for _, glob := range s.include {
		base, _ := doublestar.SplitPattern(glob)
		deep := strings.Contains(glob, "**")
		levels := strings.Count(strings.TrimPrefix(glob, base), string(filepath.Separator))
		err := s.walk(ctx, filepath.FromSlash(base), base, glob, levels, deep, func(e entry) {
			if !seen[e.path] {
				seen[e.path] = true
				files = append(files, e)
			}
		}, func(folder string) {
			if !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return files, folders, nil
}

// unlisted says what helps when the folder of a glob can not be listed.
func unlisted(err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err // the folder stands before it
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; create it, or correct input.path", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let this user read it", err)
	}
	return err
}

// walk visits a folder and those below it, as deep as the glob reaches.
func (s *folders) walk(ctx context.Context, folder, base, glob string, levels int, deep bool, file func(entry), visited func(string)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	list, err := os.ReadDir(folder)
	if err != nil {
		if folder != base && missing(err) {
			return nil // it was there a moment ago
		}
		return fmt.Errorf("list the folder %q: %w", folder, unlisted(err))
	}
	visited(folder)
	depth := 1 + strings.Count(strings.TrimPrefix(folder, base), string(filepath.Separator))
	for _, d := range list {
		path := filepath.Join(folder, d.Name())
		if d.IsDir() {
			if (deep || depth < levels) && !strings.HasPrefix(d.Name(), ".") && !s.excluded(path) {
				if err := s.walk(ctx, path, base, glob, levels, deep, file, visited); err != nil {
					return err
				}
			}
			continue
		}
		if !s.takes(path, d.Name(), glob) {
			continue
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue // gone again, a broken link, a pipe
		}
		file(entryOf(path, info))
	}
	return nil
}

func (s *folders) open(e entry) (blob, error) {
	f, err := os.Open(e.path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (s *folders) stat(path string) (entry, error) {
	info, err := os.Stat(path)
	if err != nil {
		return entry{}, err
	}
	return entryOf(path, info), nil
}

func (s *folders) remove(path string) error {
	if err := os.Remove(path); err != nil && !missing(err) {
		return err
	}
	return nil
}

// osFile is a file of a file system.
type osFile struct{ *os.File }

func (f osFile) stat() (entry, error) {
	info, err := f.Stat()
	if err != nil {
		return entry{}, err
	}
	return entryOf(f.Name(), info), nil
}

func (s *folders) check(ctx context.Context) error {
	if _, _, err := s.list(ctx); err != nil {
		return err
	}
	for _, dir := range []string{s.config.Finished, s.config.ErrorPath} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("make the folder for files that are read: %w", err)
		}
		probe, err := os.CreateTemp(dir, ".connectd-*")
		if err != nil {
			return fmt.Errorf("the folder %q can not be written: %w", dir, err)
		}
		_ = probe.Close()
		if err := os.Remove(probe.Name()); err != nil {
			return fmt.Errorf("remove from the folder %q: %w", dir, err)
		}
	}
	return nil
}

func (s *folders) move(e entry, dir string, keepTree bool, id string) error {
	path := e.path
	if keepTree {
		if rel, err := filepath.Rel(s.dir, filepath.Dir(path)); err == nil && !strings.HasPrefix(rel, "..") {
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
