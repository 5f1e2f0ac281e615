package spawn

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"github.com/airhost/airhost/core"
)

// longestSocket is the longest path, below the directory for temporary files, of the
// directory that go-plugin makes in the host and of the socket that it makes in a
// plug-in.
const longestSocket = "/plugin-dir4294967295/plugin4294967295"

// tempDirKey is the environment variable with the directory for temporary files.
var tempDirKey = map[bool]string{true: "TMP", false: "TMPDIR"}[runtime.GOOS == "windows"]

// checkTempDir returns an error if the directory for temporary files cannot hold a
// plug-in's socket.
func checkTempDir() error {
	dir := os.TempDir()
	info, err := os.Stat(dir)
	switch most := maxSocketPath - len(longestSocket); {
	case maxSocketPath > 0 && len(dir) > most:
		return fmt.Errorf("%w: %s is too long for the path of a socket in it: %d bytes where %d are allowed: %s",
			ErrEnvironment, tempDirKey, len(dir), most, core.CutText(dir, maxReason))
	case err != nil:
		return tempDirError(err)
	case !info.IsDir():
		return tempDirError(errors.New("it is not a folder"))
	}
	return nil
}

// tempDirError reports that the directory for temporary files cannot be used.
func tempDirError(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("%w: %s, the folder for temporary files, can't be used: %w: %s", ErrEnvironment, tempDirKey, err, core.CutText(os.TempDir(), maxReason))
}

// isExhausted reports whether the system lacks a resource that all processes, or all
// processes of the host's user, share.
func isExhausted(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
