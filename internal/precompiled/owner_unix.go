//go:build unix

package precompiled

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// CheckOwner returns an error if any user other than the current one and root owns the
// file, or has one of these permissions for it. A user that can write code, or a key,
// could make this process run any code.
func CheckOwner(info fs.FileInfo, none fs.FileMode) error {
	if mode := info.Mode().Perm(); mode&none != 0 {
		may, change := "write to it", "go-w"
		if mode&0o022 == 0 {
			may, change = "read it", "go-rwx"
		}
		return fmt.Errorf("others may %s (its permissions are %04o, chmod %s would do)", may, mode, change)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return errors.New("it belongs to another user")
	}
	return nil
}
