package files

import (
	"time"

	"github.com/fsnotify/fsnotify"
)

// calm is how long after a file has appeared or gone the folders are listed again: what comes in
// crowds is seen at once.
const calm = 20 * time.Millisecond

// watch tells early, by inotify, what the next listing would find. It is an aid only: network
// file systems and some mounts in containers tell nothing, and then the listings find it.
type watch struct {
	notify  *fsnotify.Watcher // nil where there is none
	folders map[string]bool
	again   chan struct{} // one slot
	paths   chan string
	ended   chan struct{}
}

func newWatch(s *Source) *watch {
	w := &watch{folders: map[string]bool{}, again: make(chan struct{}, 1), paths: make(chan string, 64), ended: make(chan struct{})}
	if s.config.Watch && !s.config.inBucket() {
		var err error
		if w.notify, err = fsnotify.NewWatcher(); err != nil {
			s.log.Warn("no inotify, the folders are only listed", "interval", s.config.interval(), "err", err)
		}
	}
	if w.notify == nil {
		close(w.ended)
		return w
	}
	go w.translate()
	return w
}

// listing receives when the folders are worth a listing.
func (w *watch) listing() <-chan struct{} { return w.again }

// written receives the paths of files that were written to.
func (w *watch) written() <-chan string { return w.paths }

// follow watches these folders from now on.
func (w *watch) follow(folders []string) {
	if w.notify == nil {
		return
	}
	now := map[string]bool{}
	for _, dir := range folders {
		now[dir] = true
		if !w.folders[dir] && w.notify.Add(dir) != nil {
			delete(now, dir) // too many watches, or gone: it is listed all the same
		}
	}
	for dir := range w.folders {
		if !now[dir] {
			_ = w.notify.Remove(dir) // gone, mostly
		}
	}
	w.folders = now
}

// translate turns events into hints, until close.
func (w *watch) translate() {
	defer close(w.ended)
	soon := time.NewTimer(time.Hour)
	defer soon.Stop()
	for {
		select {
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if e.Op.Has(fsnotify.Write) {
				select {
				case w.paths <- e.Name:
				default: // the next listing sees it
				}
			}
			if e.Op&(fsnotify.Create|fsnotify.Rename|fsnotify.Remove) != 0 {
				soon.Reset(calm)
			}
		case _, ok := <-w.notify.Errors: // an overflow: something was missed
			if !ok {
				return
			}
			soon.Reset(calm)
		case <-soon.C:
			w.hint()
		}
	}
}

// hint asks for a listing.
func (w *watch) hint() {
	select {
	case w.again <- struct{}{}:
	default: // one is asked for already
	}
}

func (w *watch) close() {
	if w.notify != nil {
		_ = w.notify.Close() // ends translate
	}
	<-w.ended
}
