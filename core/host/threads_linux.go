package host

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// threadsLeft returns how many more threads the system allows this process, by all
// that it reads in /proc and /sys: limits of the kernel, of the control groups and
// of the user.
func threadsLeft() (n int, known bool) {
	return threadsLeftIn(os.DirFS("/"), os.Geteuid())
}

func threadsLeftIn(root fs.FS, user int) (n int, known bool) {
	s := system{root: root, least: math.MaxInt}
	running := s.tasks()
	s.limit(s.number("proc/sys/kernel/threads-max"), running)
	s.limit(s.number("proc/sys/kernel/pid_max"), running)
	for _, line := range s.lines("proc/self/cgroup") {
		hierarchy := strings.SplitN(line, ":", 3)
		switch {
		case len(hierarchy) != 3:
		case hierarchy[1] == "": // version 2
			s.groups("sys/fs/cgroup", hierarchy[2])
		case strings.Contains(","+hierarchy[1]+",", ",pids,"):
			s.groups("sys/fs/cgroup/pids", hierarchy[2])
		}
	}
	if most := s.ofUser(); user != 0 && most >= 0 { // root is not bound by it
		s.limit(most, s.threadsOf(user))
	}
	return max(0, s.least), s.least != math.MaxInt
}

// system reads limits. A limit that it can't read is unknown.
type system struct {
	root  fs.FS
	least int // the least number of threads that a limit leaves
}

// limit notes that of most threads some are there. Numbers below 0 are not known.
func (s *system) limit(most, there int) {
	if most >= 0 && there >= 0 {
		s.least = min(s.least, most-there)
	}
}

// groups notes the limits of a control group and of those around it.
func (s *system) groups(mount, group string) {
	for dir := path.Join(mount, path.Clean("/"+group)); ; dir = path.Dir(dir) {
		s.limit(s.number(dir+"/pids.max"), s.number(dir+"/pids.current"))
		if dir == mount {
			return
		}
	}
}

func (s *system) lines(name string) []string {
	text, _ := fs.ReadFile(s.root, name)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// number returns the number that a file holds, or -1: the word max is no limit.
func (s *system) number(name string) int { return numberIn(s.lines(name)[0]) }

func numberIn(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		return -1
	}
	return n
}

// tasks returns how many threads there are in the system: the number after the
// slash in the load's fourth word.
func (s *system) tasks() int {
	words := strings.Fields(s.lines("proc/loadavg")[0])
	if len(words) < 4 {
		return -1
	}
	_, all, _ := strings.Cut(words[3], "/")
	return numberIn(all)
}

// ofUser returns how many threads the user may have, or -1.
func (s *system) ofUser() int {
	for _, line := range s.lines("proc/self/limits") {
		if limits, ok := strings.CutPrefix(line, "Max processes"); ok {
			return numberIn(append(strings.Fields(limits), "")[0])
		}
	}
	return -1
}

// threadsOf returns how many threads a user has.
func (s *system) threadsOf(user int) (n int) {
	processes, _ := fs.Glob(s.root, "proc/[0-9]*/status")
	for _, status := range processes {
		threads, of := 0, -1
		for _, line := range s.lines(status) {
			switch words := strings.Fields(line); {
			case len(words) < 2:
			case words[0] == "Uid:":
				of = numberIn(words[1])
			case words[0] == "Threads:":
				threads = numberIn(words[1])
			}
		}
		if of == user {
			n += threads
		}
	}
	return n
}
