//go:build !linux

package spawn

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func lockThread() (unlock func()) { return func() {} }

// awaitExit returns false: this system cannot wait without reaping. os.Process
// guards against reused process ids.
func awaitExit(int) bool { return false }

func kill(process *os.Process) {
	_ = process.Kill() // fails if the process has ended
}

// apply enforces nothing: one process cannot limit another on these systems.
func (l Limits) apply(int) (map[string]string, *cgroup) {
	held := map[string]string{}
	for key, wanted := range map[string]bool{"memory": l.Memory > 0, "open_files": l.OpenFiles > 0, "cpu_time": l.CPUTime > 0} {
		if wanted {
			held[key] = "nothing"
		}
	}
	return held, nil
}

// cgroup stands for the Linux type.
type cgroup struct{}

func (*cgroup) remove() {}

func (*cgroup) oomKilled() bool { return false }

// onNoexec is implemented on Linux only.
func onNoexec(string) bool { return false }

// closeOnExec marks all descriptors of this process but the first three.
func closeOnExec() { closeOnExecEach() }

func resident(int) int64 { return 0 }

// ReapOrphans does nothing: no process gets others as its children on this system.
func ReapOrphans() (stop func()) { return func() {} }
