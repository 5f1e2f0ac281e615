//go:build !linux

package files

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// times returns nothing: the times are not known here.
func times(fs.FileInfo) (accessed, changed time.Time) { return time.Time{}, time.Time{} }

// setTimes is not possible here for an open file, and is for a path.
func setTimes(*os.File, time.Time, time.Time) error { return syscall.ENOSYS }
