//go:build nats_server && (linux || darwin)

package natsserver

import (
	"os"
	"syscall"
)

// lockFile locks a file until it is closed, or until the process ends.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
