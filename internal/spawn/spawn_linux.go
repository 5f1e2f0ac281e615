package spawn

import (
	"errors"
	"math"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes has the kernel kill the process when the thread that starts it
// ends, and gives it a process group of its own.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// lockThread keeps the goroutine on its thread until the function that it
// returns is called.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// awaitExit waits for the end of a child, leaves it to be reaped, and reports
// whether it could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// kill kills the process group of a child that has not been reaped: its number
// is nobody else's.
func kill(process *os.Process) {
	_ = unix.Kill(-process.Pid, unix.SIGKILL) // nobody may be left but a zombie
}

// hold applies the limits to a child that has just been started.
func (l Limits) hold(pid int) (held map[string]string, group *cgroup) {
	held = map[string]string{}
	if l.Memory > 0 {
		if group = newCgroup(pid, l.Memory); group != nil {
			held["memory"] = "cgroup v2"
		} else {
			held["memory"] = rlimit(pid, unix.RLIMIT_DATA, l.Memory)
		}
	}
	if l.OpenFiles > 0 {
		held["open_files"] = rlimit(pid, unix.RLIMIT_NOFILE, l.OpenFiles)
	}
	if l.CPUTime > 0 {
		held["cpu_time"] = rlimit(pid, unix.RLIMIT_CPU, int64((l.CPUTime+time.Second-1)/time.Second))
	}
	return held, group
}

func rlimit(pid, resource int, most int64) string {
	limit := unix.Rlimit{Cur: uint64(most), Max: uint64(most)}
	if err := unix.Prlimit(pid, resource, &limit, nil); err != nil {
		return "nothing"
	}
	return "rlimit"
}

// onNoexec reports whether nothing may be executed on the file system of path.
func onNoexec(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.MS_NOEXEC != 0
}

// closeOnExec marks all descriptors of this process but the first three, also those
// that it has inherited itself or a C library has opened: no process that is started
// from then on gets one that is not handed to it.
func closeOnExec() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil { // before Linux 5.11
		closeOnExecEach()
	}
}
