package native

import (
	"io/fs"
	"os"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// OpenRoot implements [guest.FileHost]. The host says whether the component may; then it gets the
// directory itself, since Go code is trusted.
func (s *services) OpenRoot(path string) (*os.Root, error) {
	if s.refused() {
		return nil, guest.NoDirectory(path, errOutsideCall)
	}
	s.turnToHost()
	for i, d := range s.files.Directories() {
		if d.As != path {
			continue
		}
		granted, err := s.files.OpenDirectory(i)
		if err != nil {
			return nil, guest.NoDirectory(path, reason(err))
		}
		_ = granted.Close() // nothing was done with it
		return os.OpenRoot(d.Path)
	}
	return nil, guest.NoDirectory(path, fs.ErrNotExist)
}

// reason returns the error of package io/fs for one of a file.
func reason(err error) error {
	switch e := core.AsFileError(err); e.Code {
	case core.FileAccess, core.FileNotPermitted:
		return fs.ErrPermission
	case core.FileNoEntry:
		return fs.ErrNotExist
	}
	return err
}
