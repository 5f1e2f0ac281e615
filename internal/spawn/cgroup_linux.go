package spawn

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupRoot is the mount point of cgroup v2.
const cgroupRoot = "/sys/fs/cgroup"

// cgroup is a control group of cgroup v2 for one plug-in and its descendants.
type cgroup struct{ path string }

// newCgroup moves a child into a new group with this limit of memory. It returns nil
// if the host may not create groups. The group is a sibling of the host's group:
// cgroup v2 allows no group with limits below a group that contains a process.
func newCgroup(pid int, memory int64) *cgroup {
	beside, err := ownCgroup("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	return cgroupIn(filepath.Join(cgroupRoot, filepath.Dir(beside)), pid, memory)
}

// ownCgroup reads the path of this process's group, relative to the root.
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

// cgroupIn creates the group in parent. The group's name has the child's process id,
// which is unique until the child is reaped.
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
	_ = g.set("memory.swap.max", 0) // the file is missing on a system without swap
	return g
}

// set writes to one of the files of the group.
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

// oomKilled reports whether the kernel has killed a process of the group because the
// group had used up its memory.
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

// remove kills the processes left in the group, and removes the group.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	_ = g.set("cgroup.kill", 1) // needs Linux 5.14
	_ = os.Remove(g.path)
}
