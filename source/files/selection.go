package files

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// bucketScheme begins the path of an object, as s3://bucket/key.
const bucketScheme = "s3://"

// selection is what the settings say about which files are read. Of objects in buckets it sees
// /bucket/key, so that globs work on them as on files.
type selection struct {
	dir       string   // absolute; "" when all globs are absolute
	moved     []string // folders that files are moved to, when they are below dir
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
	if c.location() != "" {
		dir, err := absolute(c.location())
		if err != nil {
			return nil, fmt.Errorf("input.path: %w", err)
		}
		s.dir = dir
	}
	for _, to := range []string{c.Finished, c.ErrorPath} {
		dir, err := absolute(to)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", to, err)
		}
		if to != "" && !below(s.dir, dir) {
			s.moved = append(s.moved, dir)
		}
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
			if !isAbsolute(g) {
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
		switch object, ok := strings.CutPrefix(g, bucketScheme); {
		case ok:
			g = "/" + object
		case !filepath.IsAbs(g):
			g = filepath.Join(s.escaped(), g)
		}
		all = append(all, g)
	}
	return all
}

// isAbsolute says whether a glob or a path needs no input.path.
func isAbsolute(path string) bool {
	return strings.HasPrefix(path, bucketScheme) || filepath.IsAbs(path)
}

// absolute is the path of a folder, or /bucket/prefix.
func absolute(path string) (string, error) {
	if object, ok := strings.CutPrefix(path, bucketScheme); ok {
		return filepath.Join("/", object), nil
	}
	return filepath.Abs(path)
}

// below says whether path is dir or lies in it.
func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// escaped is dir as a glob of itself.
func (s *selection) escaped() string {
	return regexp.MustCompile(`[*?\[\]{}\\]`).ReplaceAllString(s.dir, `\$0`)
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

// excluded says whether path is one that must not be read: also what was read and moved is.
func (s *selection) excluded(path string) bool {
	for _, dir := range s.moved {
		if below(path, dir) {
			return true
		}
	}
	for _, g := range s.exclude {
		if doublestar.PathMatchUnvalidated(g, path) {
			return true
		}
	}
	return false
}

// order sorts files as files.sort.attributes says.
func order(files []entry, by string) {
	name := func(a, b entry) int { return cmp.Compare(a.path, b.path) }
	less := name
	switch by {
	case "NameDesc":
		less = func(a, b entry) int { return name(b, a) }
	case "LastModifiedAsc", "mtime", "LAST_MODIFIED":
		less = func(a, b entry) int { return cmp.Or(a.mtime.Compare(b.mtime), name(a, b)) }
	case "LastModifiedDesc":
		less = func(a, b entry) int { return cmp.Or(b.mtime.Compare(a.mtime), name(a, b)) }
	case "LengthAsc", "CONTENT_LENGTH":
		less = func(a, b entry) int { return cmp.Or(cmp.Compare(a.size, b.size), name(a, b)) }
	case "LengthDesc", "CONTENT_LENGTH_DESC":
		less = func(a, b entry) int { return cmp.Or(cmp.Compare(b.size, a.size), name(a, b)) }
	}
	slices.SortStableFunc(files, less)
}
