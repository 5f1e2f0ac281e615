package spawn

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupRoot is where cgroup v2 is mounted.
const cgroupRoot = "/sys/fs/cgroup"

// cgroup is a control group of cgroup v2 that holds one plug-in and whatever it
// starts.
type cgroup struct{ path string }

// newCgroup moves a child into a group of its own with so much memory. The group
// lies beside the host's own: below it, cgroup v2 allows none while the host is
// in it. It returns nil where the host may not do this.
func newCgroup(pid int, memory int64) *cgroup {
	beside, err := ownCgroup("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	return cgroupIn(filepath.Join(cgroupRoot, filepath.Dir(beside)), pid, memory)
}

// ownCgroup reads the path of the process's group below the root.
func ownCgroup(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if path, found := strings.CutPrefix(lines.Text(), "0::"); found {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: no line of cgroup v2", file)
}

// cgroupIn makes the group in parent. Its number is the child's, which nobody
// else has while it is not reaped.
func cgroupIn(parent string, pid int, memory int64) *cgroup {
	if _, err := os.Stat(filepath.Join(parent, "cgroup.procs")); err != nil {
		return nil
	}
	g := &cgroup{filepath.Join(parent, "airhost-plugin-"+strconv.Itoa(pid))}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil
	}
	if g.set("memory.max", memory) != nil || g.set("cgroup.procs", int64(pid)) != nil {
		g.remove()
		return nil
	}
	_ = g.set("memory.swap.max", 0) // where there is no swap there is no such file
	return g
}

// set writes to one of the files that the kernel has made.
func (g *cgroup) set(name string, value int64) error {
	file, err := os.OpenFile(filepath.Join(g.path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, value)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// oomKilled reports whether a process of the group was killed since the group had used
// up its memory.
func (g *cgroup) oomKilled() bool {
	if g == nil {
		return false
	}
	events, _ := os.ReadFile(filepath.Join(g.path, "memory.events"))
	for line := range strings.Lines(string(events)) {
		if count, found := strings.CutPrefix(line, "oom_kill "); found {
			return strings.TrimSpace(count) != "0"
		}
	}
	return false
}

// remove kills what is left in the group, and removes it.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	_ = g.set("cgroup.kill", 1) // kernels before 5.14 do not have it
	_ = os.Remove(g.path)
}
