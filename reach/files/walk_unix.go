//go:build unix

package files

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// level is a directory on the way from the top of a tree to the place of a walk.
type level struct {
	id      identity
	folders []string // in it, that the walk has not been in
}

// walker is a walk through a tree.
type walker struct {
	visit func(size int64) error
	here  *os.File // nil before the top
	way   []level  // from the top to here
}

// walk tells visit of each entry below a directory, and the sizes of regular files. It goes by single
// names, and back by "..": a path from the top would take longer the deeper it leads, and components
// nest directories as deep as they like.
func walk(top string, visit func(size int64) error) error {
	w := walker{visit: visit}
	err := w.down(unix.AT_FDCWD, top)
	for err == nil && len(w.way) > 0 {
		last := &w.way[len(w.way)-1]
		if n := len(last.folders); n > 0 {
			name := last.folders[n-1]
			last.folders = last.folders[:n-1]
			err = w.down(int(w.here.Fd()), name)
		} else {
			err = w.up()
		}
	}
	w.moveTo(nil)
	return err
}

func (w *walker) moveTo(next *os.File) {
	if w.here != nil {
		_ = w.here.Close() // it was read only
	}
	w.here = next
}

// down goes into a directory and visits its entries. One below the top may not be readable, and so nobody
// writes there, or has become something else: then it is left out.
func (w *walker) down(in int, name string) error {
	next, err := openAt(in, name)
	if w.here != nil && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)) {
		return nil
	}
	if err != nil {
		return err
	}
	w.moveTo(next)
	l, err := look(next, w.visit)
	w.way = append(w.way, l)
	return err
}

// up goes back into the directory that the walk has come from.
func (w *walker) up() error {
	w.way = w.way[:len(w.way)-1]
	if len(w.way) == 0 {
		return nil
	}
	next, err := openAt(int(w.here.Fd()), "..")
	if err != nil {
		return errMoved
	}
	w.moveTo(next)
	info, err := next.Stat()
	if err != nil {
		return err
	}
	if id, _ := identify(info); id != w.way[len(w.way)-1].id {
		return errMoved
	}
	return nil
}

// look visits the entries of a directory.
func look(folder *os.File, visit func(size int64) error) (l level, err error) {
	info, err := folder.Stat()
	if err != nil {
		return l, err
	}
	l.id, _ = identify(info)
	for err == nil {
		var names []string
		names, err = folder.Readdirnames(listAtOnce)
		for i := 0; i < len(names) && err == nil; i++ {
			err = l.visit(folder, names[i], visit)
		}
	}
	if err == io.EOF {
		return l, nil
	}
	return l, ignoreGone(err)
}

// visit visits an entry of a directory, unless somebody has removed it.
func (l *level) visit(folder *os.File, name string, visit func(size int64) error) error {
	var info unix.Stat_t
	err := retried(func() error { return unix.Fstatat(int(folder.Fd()), name, &info, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return ignoreGone(err)
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return visit(info.Size)
	case unix.S_IFDIR:
		l.folders = append(l.folders, name)
	}
	return visit(0)
}

// openAt opens a directory in another one, and nothing else.
func openAt(in int, name string) (*os.File, error) {
	var fd int
	err := retried(func() (err error) {
		fd, err = unix.Openat(in, name, unix.O_RDONLY|onlyDirectory|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), ""), nil
}

// retried repeats a call of the system that a signal has ended.
func retried(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
