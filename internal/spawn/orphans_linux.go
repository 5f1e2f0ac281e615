package spawn

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ReapOrphans reaps processes that this one has not started and that the system has made its
// children, as it does with process 1 of a container: descendants of plug-ins that have left
// their process group. stop ends that. The program must start no process but by Start.
func ReapOrphans() (stop func()) {
	ends, stopped := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ends, syscall.SIGCHLD)
	go func() {
		defer close(stopped)
		reapOrphans() // of a program that ran before in this process
		for range ends {
			reapOrphans()
		}
	}()
	return func() {
		signal.Stop(ends)
		close(ends)
		<-stopped
	}
}

// reapOrphans reaps all orphans that have ended.
func reapOrphans() {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	children.mu.Lock()
	defer children.mu.Unlock()
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || children.pids[pid] || !isOwnZombie(pid) {
			continue
		}
		for {
			if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
}

// isOwnZombie reports whether a process is a child of this one that has ended. stat has the
// state and the parent after the program's name, which may have any bytes.
func isOwnZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid())
}
