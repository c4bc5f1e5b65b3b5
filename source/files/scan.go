package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// entry is a file as a listing sees it. Symbolic links are followed: the file behind one is what
// counts, and the link's path is its name.
type entry struct {
	path  string
	size  int64
	mtime time.Time
	dev   uint64
	inode uint64
}

// selection is what the settings say about which files are read.
type selection struct {
	dir       string // absolute; "" when all globs are absolute
	include   []string
	exclude   []string
	temporary []string
	pattern   *regexp.Regexp
	marker    string
}

func newSelection(c *Config) (*selection, error) {
	s := &selection{temporary: c.Temporary, marker: c.Marker}
	if c.Pattern != nil { // spooldir's patterns are of the whole name
		s.pattern = regexp.MustCompile(`\A(?:` + c.Pattern.String() + `)\z`)
	}
	if c.Path != "" {
		dir, err := filepath.Abs(c.Path)
		if err != nil {
			return nil, fmt.Errorf("input.path: %w", err)
		}
		s.dir = dir
	}
	s.include = s.absolute(c.Include)
	s.exclude = s.absolute(c.Exclude)
	if len(s.include) == 0 {
		all := "*"
		if c.Recursive {
			all = "**"
		}
		s.include = s.absolute([]string{all})
	} else if c.Recursive {
		for _, g := range c.Include {
			if !filepath.IsAbs(g) {
				s.include = append(s.include, filepath.Join(s.escaped(), "**", g))
			}
		}
	}
	return s, nil
}

// absolute are globs below dir; a glob without a folder excludes and includes names in dir.
func (s *selection) absolute(globs []string) []string {
	var all []string
	for _, g := range globs {
		if !filepath.IsAbs(g) {
			g = filepath.Join(s.escaped(), g)
		}
		all = append(all, g)
	}
	return all
}

// escaped is dir as a glob of itself.
func (s *selection) escaped() string {
	return regexp.MustCompile(`[*?\[\]{}\\]`).ReplaceAllString(s.dir, `\$0`)
}

// list are the selected files in no order, and the folders that they may appear in.
func (s *selection) list(ctx context.Context) (files []entry, folders []string, err error) {
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

// walk visits a folder and those below it, as deep as the glob reaches.
func (s *selection) walk(ctx context.Context, folder, base, glob string, levels int, deep bool, file func(entry), visited func(string)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	list, err := os.ReadDir(folder)
	if err != nil {
		if folder != base && missing(err) {
			return nil // it was there a moment ago
		}
		return fmt.Errorf("list the folder %q: %w", folder, err)
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

// takes says whether the file of that path and name is one that glob selects.
func (s *selection) takes(path, name, glob string) bool {
	if !doublestar.PathMatchUnvalidated(glob, path) || s.excluded(path) {
		return false
	}
	if s.pattern != nil && !s.pattern.MatchString(name) {
		return false
	}
	if s.marker != "" && strings.HasSuffix(name, s.marker) {
		return false
	}
	for _, t := range s.temporary {
		if doublestar.MatchUnvalidated(t, name) {
			return false
		}
	}
	return true
}

func (s *selection) excluded(path string) bool {
	for _, g := range s.exclude {
		if doublestar.PathMatchUnvalidated(g, path) {
			return true
		}
	}
	return false
}

// missing says whether err is about a file that is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// order sorts files as files.sort.attributes says.
func order(files []entry, by string) {
	name := func(a, b entry) int { return cmp.Compare(a.path, b.path) }
	less := name
	switch by {
	case "NameDesc":
		less = func(a, b entry) int { return name(b, a) }
	case "LastModifiedAsc", "mtime":
		less = func(a, b entry) int { return cmp.Or(a.mtime.Compare(b.mtime), name(a, b)) }
	case "LastModifiedDesc":
		less = func(a, b entry) int { return cmp.Or(b.mtime.Compare(a.mtime), name(a, b)) }
	case "LengthAsc":
		less = func(a, b entry) int { return cmp.Or(cmp.Compare(a.size, b.size), name(a, b)) }
	case "LengthDesc":
		less = func(a, b entry) int { return cmp.Or(cmp.Compare(b.size, a.size), name(a, b)) }
	}
	slices.SortStableFunc(files, less)
}
