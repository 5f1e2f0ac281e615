package host

import (
	"log/slog"
	"testing"
	"testing/fstest"
)

func TestThreadsLeft(t *testing.T) {
	files := func(more map[string]string) fstest.MapFS {
		m := fstest.MapFS{}
		for name, text := range map[string]string{
			"proc/sys/kernel/threads-max": "30000\n", "proc/sys/kernel/pid_max": "4194304\n", "proc/loadavg": "0.1 0.2 0.3 2/1000 77\n",
			"proc/1/status": "Name:\tinit\nUid:\t0\t0\t0\t0\nThreads:\t5\n", "proc/7/status": "Uid:\t1000\t1000\t1000\t1000\nThreads:\t40\n",
			"proc/9/status":    "Uid:\t1000\t1000\t1000\t1000\nThreads:\t2\n",
			"proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax processes             500                  500                  processes\n",
		} {
			m[name] = &fstest.MapFile{Data: []byte(text)}
		}
		for name, text := range more {
			m[name] = &fstest.MapFile{Data: []byte(text)}
		}
		return m
	}
	for name, c := range map[string]struct {
		files map[string]string
		user  int
		want  int
	}{
		"the kernel's":    {nil, 0, 29000},
		"the user's":      {nil, 1000, 458},
		"another user's":  {nil, 5, 500},
		"a group's":       {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/pids.max": "150\n", "sys/fs/cgroup/a/b/pids.current": "20\n"}, 0, 130},
		"an outer one's":  {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/pids.max": "max\n", "sys/fs/cgroup/a/b/pids.current": "20\n", "sys/fs/cgroup/a/pids.max": "90\n", "sys/fs/cgroup/a/pids.current": "30\n"}, 0, 60},
		"version 1":       {map[string]string{"proc/self/cgroup": "3:cpu:/x\n2:pids:/c\n", "sys/fs/cgroup/pids/c/pids.max": "70\n", "sys/fs/cgroup/pids/c/pids.current": "60\n"}, 0, 10},
		"a container's":   {map[string]string{"proc/self/cgroup": "0::/docker/x\n", "sys/fs/cgroup/pids.max": "100\n", "sys/fs/cgroup/pids.current": "1\n"}, 0, 99},
		"more than there": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/pids.max": "10\n", "sys/fs/cgroup/pids.current": "12\n"}, 0, 0},
	} {
		if got, known := threadsLeftIn(files(c.files), c.user); got != c.want || !known {
			t.Errorf("%s limit: got %d, %t, want %d", name, got, known, c.want)
		}
	}
	if got, known := threadsLeftIn(fstest.MapFS{}, 1000); known {
		t.Errorf("without files: got %d", got)
	}
	if n, known := threadsLeft(); known && n == 0 {
		t.Error("no threads are left here")
	}
}

// TestCeilingFitsTheSystem: the host needs no more threads than the system allows.
func TestCeilingFitsTheSystem(t *testing.T) {
	for _, left := range []int{0, 10, 100, 130, 1000, 1 << 20} {
		h := &Host{config: Config{Workers: 2, HeldUpWorkers: 256}, log: slog.New(slog.DiscardHandler),
			threadsLeft: func() (int, bool) { return left, true }}
		n := h.mostBlocked()
		h.bound(n)
		if n < 1 || n > 256 || left >= 100 && h.config.Workers+2*n+cap(h.places)+spareThreads > left || left > 1000 && n != 256 {
			t.Errorf("%d threads left: %d workers may be held up", left, n)
		}
	}
}
