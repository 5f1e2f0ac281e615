//go:build !wasip1

package guest

import (
	"io/fs"
	"os"
)

// openRoot has no directories.
func openRoot(path string) (*os.Root, error) { return nil, NoDirectory(path, fs.ErrNotExist) }
