package spawntest

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// Killer kills the processes that this one starts one after the other.
type Killer struct{ killed []int }

// Kill waits for a process that has not been killed, and kills it, whatever it is
// doing: it may just have been started.
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

// Await waits for a process that has not been killed.
func (k *Killer) Await(t *testing.T) {
	t.Helper()
	Await(t, "another process after the last kill", func() bool { return k.living(t) != 0 })
}

// living returns a process that has not been killed, or 0.
func (k *Killer) living(t *testing.T) int {
	for _, pid := range Children(t) {
		if !slices.Contains(k.killed, pid) {
			return pid
		}
	}
	return 0
}

// patience is for how long a test waits for what must happen.
const patience = 30 * time.Second

// Await waits until done reports true, for half a minute at most.
func Await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not for %v: %s", patience, what)
		}
	}
}
