package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"
)

// store is where the files are: folders of a file system, or a bucket.
type store interface {
	// list are the selected files in no order, and the folders that they may appear in when
	// these can be watched.
	list(ctx context.Context) (files []entry, folders []string, err error)
	// open opens e at its begin. It fails with errMoved when another file has come to its path.
	open(e entry) (blob, error)
	// stat looks at the file that is at path now.
	stat(path string) (entry, error)
	// remove removes the file at path; it is no error that there is none.
	remove(path string) error
	// move moves e into the folder dir, or with keepTree below it. What is there already stays:
	// then id becomes a part of the name. After a crash in between it may be called again.
	move(e entry, dir string, keepTree bool, id string) error
	// check looks whether what is needed is there and may be used.
	check(ctx context.Context) error
}

// blob is an open file. It belongs to one goroutine.
type blob interface {
	io.ReadSeekCloser
	io.ReaderAt
	// stat is how the file is now.
	stat() (entry, error)
}

// entry is a file as a listing sees it. Symbolic links are followed: the file behind one is what
// counts, and the link's path is its name.
type entry struct {
	path  string
	size  int64
	mtime time.Time
	dev   uint64
	inode uint64
	etag  string // of an object in a bucket; it has no inode
}

// unchanged says whether b looks as a did.
func unchanged(a, b entry) bool {
	return a.size == b.size && a.mtime.Equal(b.mtime) && a.etag == b.etag
}

// missing says whether err is about a file that is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// newStore is the store that the settings name.
func newStore(c *Config) (store, error) {
	s, err := newSelection(c)
	if err != nil {
		return nil, err
	}
	if c.inBucket() {
		return newBucket(c, s)
	}
	return &folders{selection: s, config: c}, nil
}
