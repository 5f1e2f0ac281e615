//go:build unix

package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ownerOf tells the user that a socket belongs to, or the folder that it is in, if the socket
// cannot be seen.
func ownerOf(socket string) string {
	for at := socket; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil && at != filepath.Dir(at) {
			continue
		}
		if info == nil {
			return ""
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return ""
		}
		uid := strconv.FormatUint(uint64(stat.Uid), 10)
		name := "user " + uid
		if known, err := user.LookupId(uid); err == nil {
			name = known.Username
		}
		return fmt.Sprintf(": %s belongs to %s, run the command as %s", at, name, name)
	}
}
