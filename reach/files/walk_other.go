//go:build !unix

package files

import (
	"errors"
	"io/fs"
	"os"
)

// walk tells visit of each entry below a directory, and the sizes of regular files.
func walk(top string, visit func(size int64) error) error {
	return fs.WalkDir(os.DirFS(top), ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case path == ".":
			return err
		case errors.Is(err, fs.ErrPermission): // nobody writes there either
			return fs.SkipDir
		case err != nil:
			return ignoreGone(err)
		}
		size := int64(0)
		if e.Type().IsRegular() {
			info, err := e.Info()
			if err != nil {
				return ignoreGone(err)
			}
			size = info.Size()
		}
		return visit(size)
	})
}
