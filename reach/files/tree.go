package files

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// tree is a directory of the host with all that is in it. All components that have it share it.
type tree struct {
	system *System
	path   string

	files   int  // open ones; the system's lock guards it, and written
	written bool // somebody may write

	mu      sync.Mutex    // held by all that changes the directory; guards the following
	counted time.Time     // when all was counted last; zero if it never was
	pause   time.Duration // until it is counted again at the earliest
	bytes   int64         // sizes of the files, those included that are open and removed
	entries int64         // files, directories and links
	nodes   map[identity]*node
}

// node is a regular file that is open, by any number of handles.
type node struct {
	handles int
	removed bool  // it has no name any more
	size    int64 // if it is removed: the part of the tree's bytes that is its
}

const (
	mostEntries = 1_000_000   // that are counted
	leastPause  = time.Second // between two counts; and a count takes at most so much of the time:
	pauseFactor = 20
)

// release gives back a tree that take has returned. Its account stays until it is stale: instances
// that come and go, one after the other, do not count a directory each time.
func (t *tree) release() {
	t.system.mu.Lock()
	defer t.system.mu.Unlock()
	t.system.open--
	if t.files--; t.files == 0 {
		t.written = false
	}
}

// stale reports whether all may be counted again.
func (t *tree) stale() bool { return time.Since(t.counted) > t.pause }

// count counts all files of the tree, unless that has been done.
func (t *tree) count() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.counted.IsZero() {
		return nil
	}
	return t.countLocked()
}

// countLocked counts all files of the tree, whichever part of it a component has open.
func (t *tree) countLocked() error {
	began := time.Now()
	var bytes, entries int64
	var err error
	for range mostSums {
		if bytes, entries, err = sum(t.path); err != errMoved {
			break
		}
	}
	if err != nil {
		return err
	}
	for _, n := range t.nodes {
		bytes += n.size
	}
	t.bytes, t.entries, t.counted = bytes, entries, time.Now()
	t.pause = max(leastPause, pauseFactor*time.Since(began))
	return nil
}

// errMoved is the error for a directory that somebody has moved away while a walk was in it.
var errMoved = &core.FileError{Code: core.FileBusy, Text: "the directory was changed while it was counted: try again"}

// mostSums is how often all is counted while somebody moves directories.
const mostSums = 4

// sum returns the bytes and the number of the files below a directory.
func sum(top string) (bytes, entries int64, err error) {
	err = walk(top, func(size int64) error {
		bytes += size
		if entries++; entries > mostEntries {
			return &core.FileError{Code: core.FileQuota, Text: fmt.Sprintf("the directory has more than %d files: grant a smaller one, or mode: ro", mostEntries)}
		}
		return nil
	})
	return bytes, entries, err
}

// ignoreGone leaves out the error for a file that was removed meanwhile.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// roomLocked returns an error unless the tree may have so many bytes and entries more. Before it
// says no it counts again, since others than components may have removed files.
func (t *tree) roomLocked(call *core.FileCall, bytes, entries int64) error {
	if bytes <= 0 && entries <= 0 || t.fitsLocked(call, bytes, entries) {
		return nil
	}
	if t.stale() {
		if err := t.countLocked(); err != nil {
			return err
		}
	}
	switch {
	case t.fitsLocked(call, bytes, entries):
		return nil
	case bytes > 0 && bytes > call.MaxBytes-t.bytes:
		return &core.FileError{Code: core.FileQuota, Text: fmt.Sprintf("the directory has %d bytes, would get %d more, and quota.files_bytes is %d", t.bytes, bytes, call.MaxBytes)}
	}
	return &core.FileError{Code: core.FileQuota, Text: fmt.Sprintf("the directory has %d files, and quota.files is %d", t.entries, call.MaxFiles)}
}

func (t *tree) fitsLocked(call *core.FileCall, bytes, entries int64) bool {
	return (bytes <= 0 || bytes <= call.MaxBytes-t.bytes) && (entries <= 0 || entries <= call.MaxFiles-t.entries)
}

// openedLocked notes a handle of a regular file.
func (t *tree) openedLocked(id identity) *node {
	n := t.nodes[id]
	if n == nil {
		n = new(node)
		t.nodes[id] = n
	}
	n.handles++
	return n
}

// close closes a file and forgets the handle. The bytes of a file without a name go with the last
// one. Both happen under the lock: once the file is closed the system may give its identity to a new one.
func (t *tree) close(f *file) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.node.handles--; f.node.handles == 0 {
		t.bytes -= f.node.size
		delete(t.nodes, f.id)
	}
	return f.os.Close()
}

// resizedLocked notes the new size of a file that is open.
func (t *tree) resizedLocked(n *node, by int64) {
	t.bytes += by
	if n.removed {
		n.size += by
	}
}

// removedLocked notes that an entry is gone, which was info. A file with further names, or with an
// unknown identity, keeps its bytes.
func (t *tree) removedLocked(info fs.FileInfo) {
	t.entries--
	id, links := identify(info)
	if !info.Mode().IsRegular() || links != 1 {
		return
	}
	if n := t.nodes[id]; n != nil {
		n.removed, n.size = true, info.Size()
		return
	}
	t.bytes -= info.Size()
}
