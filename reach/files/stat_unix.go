//go:build unix

package files

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// Flags of opening: a FIFO does not wait for its other end, and a directory is one.
const (
	noWait        = unix.O_NONBLOCK
	onlyDirectory = unix.O_DIRECTORY
)

// identity is the same for the same file alone.
type identity struct{ device, inode uint64 }

// identify returns the identity of a file, and how many names it has.
func identify(info fs.FileInfo) (id identity, links uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, 0
	}
	return identity{uint64(s.Dev), uint64(s.Ino)}, uint64(s.Nlink)
}

// renameAt renames a file. The names have no slashes, and the directories are open.
func renameAt(from uintptr, name string, to uintptr, newName string) error {
	return unix.Renameat(int(from), name, int(to), newName)
}

// openLimit returns how many files the system lets the program have open.
func openLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 2 * maxOpen
	}
	return int(min(uint64(limit.Cur), 2*maxOpen)) // it is signed on some systems
}
