package service

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// quiet is how long files must not change before they are looked at: a build writes several, and
// each in many steps.
const quiet = 150 * time.Millisecond

// watcher tells when the configuration or a file that it names has other content.
type watcher struct {
	*fsnotify.Watcher
	path    string
	content [sha256.Size]byte
	folders []string
}

// Watch calls changed after each change of the content of the configuration file, of the files that
// it includes, or of a source. Several changes at once are one. It blocks until ctx ends.
func (s *Service) Watch(ctx context.Context, changed func()) error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer events.Close()
	w := &watcher{Watcher: events, path: s.config.File.Name()}
	w.content = w.read()
	if s.outdated(ctx, w.path) {
		changed()
	}
	pause := time.NewTimer(quiet)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-events.Errors:
			s.log.Warn("watching files", "reason", err.Error()) // such as too many events at once: look
			pause.Reset(quiet)
		case <-events.Events:
			pause.Reset(quiet)
		case <-pause.C:
			if content := w.read(); content != w.content {
				w.content = content
				changed()
			}
		}
	}
}

// outdated reports whether the file has changed since its components were started. Components that
// could not be started count only if they have changed.
func (s *Service) outdated(ctx context.Context, path string) bool {
	_, done, err := s.begin(ctx)
	if err != nil {
		return false
	}
	defer done()
	file, err := load(path)
	if err != nil {
		return true
	}
	p := s.plan(file)
	return len(p.ways) > 0 || slices.ContainsFunc(p.changes, func(c *change) bool {
		return c.old == nil || c.next == nil || c.old.changeTo(c.next) != host.NoChange
	})
}

// read loads the configuration and returns the digest of all that it names. A mistake in it is
// a content as well.
func (w *watcher) read() [sha256.Size]byte {
	file, err := load(w.path)
	if err != nil {
		return sha256.Sum256([]byte(err.Error()))
	}
	return w.look(file)
}

// look watches the folders of all files that a configuration names or may include, and returns the
// digest of their contents.
func (w *watcher) look(file *config.File) [sha256.Size]byte {
	files, folders := filesOf(file), file.Folders()
	for _, path := range files {
		folders = append(folders, filepath.Dir(path))
		if real, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	w.watch(folders)
	all := sha256.New()
	for _, path := range files {
		sum, err := digest(path)
		fmt.Fprintln(all, path, sum, err)
	}
	return [sha256.Size]byte(all.Sum(nil))
}

// watch watches these folders, and no others. A folder that cannot be watched is left out: it may
// come back.
func (w *watcher) watch(folders []string) {
	slices.Sort(folders)
	folders = slices.Compact(folders)
	for _, folder := range folders {
		_ = w.Add(folder) // again: a folder may have been made anew
	}
	for _, folder := range w.folders {
		if !slices.Contains(folders, folder) {
			_ = w.Remove(folder) // it may be gone
		}
	}
	w.folders = folders
}

// filesOf are the files that a configuration consists of and names.
func filesOf(file *config.File) []string {
	all := file.Files()
	for _, c := range file.Components {
		if c.Engine != native.Name {
			all = append(all, c.Source)
		}
	}
	if tls := file.Gateway.HTTP.TLS; tls.Certificate != "" {
		all = append(all, tls.Certificate, tls.Key)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
