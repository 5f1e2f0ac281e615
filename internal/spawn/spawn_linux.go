package spawn

import (
	"errors"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes makes the kernel kill the process when the thread that starts it ends,
// and gives the process its own process group.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// lockThread keeps the goroutine on its thread until unlock is called.
func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

// awaitExit waits for the end of a child without reaping it. It returns false if it
// cannot wait.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// kill kills the process group of a child that has not been reaped. Until then no
// other process can have its id.
func kill(process *os.Process) {
	_ = unix.Kill(-process.Pid, unix.SIGKILL) // fails if only a zombie is left
}

// apply applies the limits to a child that has just been started. held tells how
// each limit is enforced.
func (l Limits) apply(pid int) (held map[string]string, group *cgroup) {
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

// resident returns the resident memory of a child that has not been reaped, in bytes. The
// second number of statm are its pages.
func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// onNoexec reports whether the file system of path forbids execution.
func onNoexec(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.MS_NOEXEC != 0
}

// closeOnExec marks all descriptors of this process but the first three, including
// those that it inherited or that a C library opened. From then on a new process
// gets only the descriptors passed to it.
func closeOnExec() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil { // before Linux 5.11
		closeOnExecEach()
	}
}
