package machine

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// BusyShare is the share of the processors' time that other processes may use, and
// the share of its time for which the measuring process may wait for a processor,
// before figures carry a warning.
const BusyShare = 0.05

// Load watches the processors from a point in time on.
type Load struct {
	root  fs.FS
	start usage
	known bool
}

// usage is processor time so far, in clock ticks of the kernel. Own is the time of
// this process and of the processes that it has started.
type usage struct {
	total, busy, own float64
}

// Watch begins to watch. root is the system's root directory.
func Watch(root fs.FS) *Load {
	start, known := readUsage(root)
	return &Load{root, start, known}
}

// Others returns the share, 0 to 1, of all processors' time since Watch that other
// processes used, the kernel on their behalf and, on a virtual machine, other
// machines included. It is false where the system does not tell.
func (l *Load) Others() (float64, bool) {
	now, known := readUsage(l.root)
	total := now.total - l.start.total
	if !l.known || !known || total <= 0 {
		return 0, false
	}
	others := (now.busy - l.start.busy) - (now.own - l.start.own)
	return min(1, max(0, others/total)), true
}

// Warning says that other processes kept the machine busy, or is "".
func (l *Load) Warning() string {
	others, known := l.Others()
	if !known || others <= BusyShare {
		return ""
	}
	return fmt.Sprintf(result.BusyMachine+"others used %.0f %% of the processors' time, want at most %.0f %%", 100*others, 100*BusyShare)
}

// WaitWarning says that the measuring process waited for a processor for this
// share of its time, or is "".
func WaitWarning(share float64) string {
	if share <= BusyShare {
		return ""
	}
	return fmt.Sprintf(result.BusyProcessors+"threads of the run waited for one for %.0f %% of its time, want at most %.0f %%", 100*share, 100*BusyShare)
}

// readUsage reads the first line of proc/stat (user nice system idle iowait irq
// softirq steal …, proc(5)) and the time of the run's own processes.
func readUsage(root fs.FS) (usage, bool) {
	fields := strings.Fields(firstLine(root, "proc/stat"))
	if len(fields) < 9 || fields[0] != "cpu" {
		return usage{}, false
	}
	var u usage
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return usage{}, false
		}
		u.total += ticks
		if i != 3 && i != 4 { // idle, and idle while waiting for a disk
			u.busy += ticks
		}
	}
	own, known := ownTicks(root)
	u.own = own
	return u, known
}

// process is a line of proc/*/stat.
type process struct {
	id, parent string
	ticks      float64 // of itself, and of children that have ended
}

// ownTicks adds up the time of this process and of those that it has started:
// measuring is their work.
func ownTicks(root fs.FS) (float64, bool) {
	self, known := readProcess(root, "proc/self/stat")
	if !known {
		return 0, false
	}
	children := make(map[string][]process)
	paths, _ := fs.Glob(root, "proc/[0-9]*/stat") // the pattern is a valid one
	for _, path := range paths {
		if p, known := readProcess(root, path); known && p.id != self.id {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	return familyTicks(self, children), true
}

func familyTicks(p process, children map[string][]process) float64 {
	sum := p.ticks
	for _, child := range children[p.id] {
		sum += familyTicks(child, children)
	}
	return sum
}

// readProcess reads from proc/PID/stat the id; then, after the command's name, which
// is in parentheses and may have spaces, the parent as the 2nd field; and from the
// 12th on utime, stime, cutime and cstime.
func readProcess(root fs.FS, path string) (process, bool) {
	line := firstLine(root, path)
	id, _, _ := strings.Cut(line, " ")
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) < 15 {
		return process{}, false
	}
	p := process{id: id, parent: fields[1]}
	for _, field := range fields[11:15] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return process{}, false
		}
		p.ticks += ticks
	}
	return p, true
}

// Waited returns the time for which all threads of this process together have been
// ready to run without a processor, since each of them began: the second figure of
// proc/self/task/*/schedstat, in nanoseconds. It is 0 where the system does not tell.
func Waited(root fs.FS) time.Duration {
	paths, err := fs.Glob(root, "proc/self/task/*/schedstat")
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, path := range paths {
		fields := strings.Fields(firstLine(root, path))
		if len(fields) < 2 {
			continue
		}
		if wait, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			sum += time.Duration(wait)
		}
	}
	return sum
}
