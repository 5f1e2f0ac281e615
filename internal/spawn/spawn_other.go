//go:build !linux

package spawn

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func lockThread() (unlock func()) { return func() {} }

// awaitExit cannot see an end without reaping; there os.Process guards against
// numbers that are another's.
func awaitExit(int) bool { return false }

func kill(process *os.Process) {
	_ = process.Kill() // it may have ended
}

// hold: these systems have no limits that can be set from outside.
func (l Limits) hold(int) (map[string]string, *cgroup) {
	held := map[string]string{}
	for key, wanted := range map[string]bool{"memory": l.Memory > 0, "open_files": l.OpenFiles > 0, "cpu_time": l.CPUTime > 0} {
		if wanted {
			held[key] = "nothing"
		}
	}
	return held, nil
}

// cgroup exists on Linux only.
type cgroup struct{}

func (*cgroup) remove() {}

func (*cgroup) oomKilled() bool { return false }

// onNoexec is looked for on Linux only.
func onNoexec(string) bool { return false }

// closeOnExec marks the descriptors of this process but the first three.
func closeOnExec() { closeOnExecEach() }
