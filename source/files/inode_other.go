//go:build !unix

package files

import "io/fs"

// entryOf is the file at path. Without inodes, files are known by content and path.
func entryOf(path string, info fs.FileInfo) entry {
	return entry{path: path, size: info.Size(), mtime: info.ModTime()}
}
