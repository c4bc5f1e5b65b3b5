package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Load reads files and directories. Of a directory it takes the files *.yaml, *.yml and *.json
// that are not hidden, sorted by name, and no subdirectories. What can be read is in the File even
// when there are problems; the problems are in the order of paths.
func Load(paths []string) (*File, Problems) {
	l := loader{
		file:     &File{Worker: &Section{Path: "worker"}},
		names:    map[string]Pos{},
		settings: map[setting]written{},
	}
	for _, path := range paths {
		l.path(path)
	}
	l.problems = append(l.problems, l.file.Worker.resolve()...)
	for _, c := range l.file.Connectors {
		unresolved := c.resolve()
		c.Problems = append(c.Problems, unresolved...)
		l.problems = append(l.problems, unresolved...)
	}
	l.problems.Sort()
	return l.file, l.problems
}

// loader is the state of one Load.
type loader struct {
	file     *File
	problems Problems
	names    map[string]Pos // where each connector is defined
	settings map[setting]written

	name  string // of the file that is being read, as the user gave it
	nodes int    // how many more nodes its anchors may expand to
	depth int    // how many mappings are open
}

// setting is one key of one section, and written where in its Entries it is.
type setting struct {
	section *Section
	key     string
}

type written struct {
	index  int
	merged bool
}

// nodeLimit bounds what a file may expand to: a few anchors that name each other make billions
// of nodes out of some lines.
const nodeLimit = 100_000

// depthLimit bounds how deep settings are nested.
const depthLimit = 50

// path reads one path that the user gave.
func (l *loader) path(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		l.fail(path, "can not be read: "+cause(err).Error()+"; check the path")
	case info.IsDir():
		l.directory(path)
	default:
		l.read(path)
	}
}

func (l *loader) directory(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		l.fail(path, "can not be read: "+cause(err).Error()+"; check its permissions")
		return
	}
	found := false
	for _, e := range entries {
		name := strings.TrimRight(path, "/") + "/" + e.Name()
		if strings.HasPrefix(e.Name(), ".") || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			continue
		}
		// Stat follows links: Kubernetes mounts a ConfigMap's files as links.
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		found = true
		l.read(name)
	}
	if !found {
		l.fail(path, "has no .yaml, .yml or .json file; put the connector files there, or name another directory")
	}
}

func (l *loader) read(name string) {
	data, err := os.ReadFile(name)
	if err != nil {
		l.fail(name, "can not be read: "+cause(err).Error()+"; check the path and its permissions")
		return
	}
	l.parse(name, data)
}

// parse reads the documents of one file. JSON is read as YAML, of which it is a part, so that
// every value has its place.
func (l *loader) parse(name string, data []byte) {
	l.name, l.nodes, l.depth = name, nodeLimit, 0
	documents := yaml.NewDecoder(bytes.NewReader(yamlOfJSON(data)))
	for {
		var document yaml.Node
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.syntax(err)
			return
		}
		if document.Kind == yaml.DocumentNode && len(document.Content) == 1 {
			l.document(document.Content[0])
		}
	}
}

// yamlLine finds the line in an error of the YAML parser, which knows no column.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntax reports a file that is not YAML.
func (l *loader) syntax(err error) {
	text := err.Error()
	match := yamlLine.FindStringSubmatch(text)
	pos := Pos{File: l.name, Line: 1, Col: 1}
	if match != nil {
		text = text[len(match[0]):]
		if n, err := strconv.Atoi(match[1]); err == nil {
			pos.Line = n
		}
	}
	advice := "check the indentation, brackets and quotes there"
	if strings.Contains(text, "cannot start any token") {
		advice = "indent with spaces, not tabs, and put quotes around a value that begins with one of @ ` %"
	}
	l.problems = append(l.problems, Problem{Pos: pos, Text: "is not YAML or JSON: " + text + "; " + advice})
}

// fail reports a problem of a file as a whole.
func (l *loader) fail(file, text string) {
	l.problems = append(l.problems, Problem{Pos: Pos{File: file}, Text: text})
}

// cause is err without the path, which the message has already.
func cause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
