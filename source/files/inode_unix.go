//go:build unix

package files

import (
	"io/fs"
	"syscall"
)

// entryOf is the file at path.
func entryOf(path string, info fs.FileInfo) entry {
	e := entry{path: path, size: info.Size(), mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		e.dev, e.inode = uint64(st.Dev), uint64(st.Ino) // their types differ between systems
	}
	return e
}
