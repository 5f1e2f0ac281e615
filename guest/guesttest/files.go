package guesttest

import (
	"io/fs"
	"os"

	"github.com/airhost/airhost/guest"
)

// OpenRoot opens one of Directories.
func (h *Host) OpenRoot(path string) (*os.Root, error) {
	dir, ok := h.Directories[path]
	if !ok {
		return nil, guest.NoDirectory(path, fs.ErrNotExist)
	}
	return os.OpenRoot(dir)
}
