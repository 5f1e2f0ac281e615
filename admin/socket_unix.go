//go:build linux || darwin

package admin

import (
	"os"
	"syscall"
	"time"
)

// lockFolder makes hosts that start at the same time look for old sockets one after the other. A
// lock that somebody else keeps for long is not waited for.
func lockFolder(path string) (unlock func()) {
	folder, err := os.Open(path)
	if err != nil {
		return func() {}
	}
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for range 200 {
		if syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			break
		}
		<-pause.C
	}
	return func() { _ = folder.Close() } // which unlocks it
}
