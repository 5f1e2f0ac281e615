package files

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// times returns when a file was accessed, and when it was changed in any way.
func times(info fs.FileInfo) (accessed, changed time.Time) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, time.Time{}
	}
	return time.Unix(s.Atim.Unix()), time.Unix(s.Ctim.Unix())
}

// setTimes sets the times of an open file. A zero time leaves one as it is.
func setTimes(f *os.File, accessed, modified time.Time) error {
	both := make([]unix.Timespec, 2)
	for i, t := range []time.Time{accessed, modified} {
		if t.IsZero() {
			both[i].Nsec = unix.UTIME_OMIT
			continue
		}
		var err error
		if both[i], err = unix.TimeToTimespec(t); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(int(f.Fd()), "", both, unix.AT_EMPTY_PATH)
}
