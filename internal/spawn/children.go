package spawn

import (
	"os/exec"
	"sync"
)

// children are the processes that this package has started and not yet reaped.
var children = struct {
	mu   sync.Mutex // held while a process starts, so that nobody else reaps it first
	pids map[int]bool
}{pids: make(map[int]bool)}

// startChild starts a process that reapChild ends.
func startChild(c *exec.Cmd) error {
	children.mu.Lock()
	defer children.mu.Unlock()
	err := c.Start()
	if err == nil {
		children.pids[c.Process.Pid] = true
	}
	return err
}

// reapChild waits for the end of a process that startChild has started.
func reapChild(c *exec.Cmd) error {
	defer func() {
		children.mu.Lock()
		defer children.mu.Unlock()
		delete(children.pids, c.Process.Pid)
	}()
	return c.Wait()
}
