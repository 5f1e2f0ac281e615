package spawntest

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// Killer kills the children of this process, one after the other.
type Killer struct{ killed []int }

// Kill waits for a child that has not been killed, and kills it at once, even if the
// child is still starting.
func (k *Killer) Kill(t *testing.T) {
	t.Helper()
	pid := 0
	Await(t, "a process to kill", func() bool {
		pid = k.living(t)
		return pid != 0
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.killed = append(k.killed, pid)
}

// Await waits for a child that has not been killed.
func (k *Killer) Await(t *testing.T) {
	t.Helper()
	Await(t, "another process after the last kill", func() bool { return k.living(t) != 0 })
}

// living returns the id of a child that has not been killed, or 0.
func (k *Killer) living(t *testing.T) int {
	for _, pid := range Children(t) {
		if !slices.Contains(k.killed, pid) {
			return pid
		}
	}
	return 0
}

// patience bounds the wait for a condition that must become true.
const patience = 30 * time.Second

// Await waits until done reports true, for at most half a minute.
func Await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not for %v: %s", patience, what)
		}
	}
}
