// Package files opens directories of the host for components, by os.Root: no path, link or race
// leads out of a directory. It counts the files in each directory that components write to, and
// keeps them within the quotas.
package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// System opens directories. All that have the same directory, as components or as instances, share
// one account of it: use one System in a program. Its methods may be called from any
// goroutine.
type System struct {
	most int // open files

	mu    sync.Mutex       // guards the following
	open  int              // files and directories of all components
	trees map[string]*tree // those that have open files or were counted lately, by their real paths
}

var _ host.FileSystem = (*System)(nil)

// maxOpen is how many files and directories may be open in all, as far as they are at most half of those
// that the system allows the program: it needs others.
const maxOpen = 8192

// New returns a System.
func New() *System {
	return &System{most: min(maxOpen, openLimit()/2), trees: make(map[string]*tree)}
}

// add notes one more open file of a tree.
func (s *System) add(t *tree) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addLocked(t)
}

// addLocked is add for a caller that has the lock.
func (s *System) addLocked(t *tree) error {
	if s.open >= s.most {
		return &core.FileError{Code: core.FileQuota, Text: fmt.Sprintf("the components of this host have %d files open together, and no more are allowed", s.open)}
	}
	s.open++
	t.files++
	return nil
}

// Check implements [host.FileSystem].
func (s *System) Check(grant host.FileGrant) error {
	_, err := realPath(grant.Path)
	return err
}

// realPath returns the path of a directory without symbolic links.
func realPath(given string) (string, error) {
	absolute, err := filepath.Abs(given)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(absolute)
	if err != nil {
		return "", fmt.Errorf("the directory %s cannot be used: %w", given, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is no directory: name one that exists", given)
	}
	return real, nil
}

// Open implements [host.FileSystem]. The files of a directory are counted when it is opened for
// writing and nobody has it open, but for a count that took place shortly before.
func (s *System) Open(grant host.FileGrant) (core.File, error) {
	real, err := realPath(grant.Path)
	if err != nil {
		return nil, fileError(err)
	}
	t, err := s.take(real, grant.Write)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(real)
	if err == nil && grant.Write {
		err = t.count()
	}
	if err != nil {
		if root != nil {
			_ = root.Close() // nothing was written
		}
		t.release()
		return nil, fileError(err)
	}
	return &directory{tree: t, root: root}, nil
}

// take returns the tree of a directory, for one more file.
func (s *System) take(real string, write bool) (*tree, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, t := range s.trees {
		switch {
		case t.files == 0 && t.stale(): // nobody else has it, so that its lock is not needed
			delete(s.trees, other)
		case write && t.written && other != real && (below(other, real) || below(real, other)):
			return nil, &core.FileError{Code: core.FileNotPermitted, Text: core.CutText(fmt.Sprintf(
				"%s and %s are both granted for writing, and one is within the other: grant the same one, or two that are apart", real, other), core.MaxErrorText)}
		}
	}
	t := s.trees[real]
	if t == nil {
		t = &tree{system: s, path: real, nodes: make(map[identity]*node)}
		s.trees[real] = t
	}
	if err := s.addLocked(t); err != nil {
		return nil, err
	}
	t.written = t.written || write
	return t, nil
}

// below reports whether a path is below another one.
func below(a, b string) bool {
	return strings.HasPrefix(a, strings.TrimSuffix(b, string(filepath.Separator))+string(filepath.Separator))
}
