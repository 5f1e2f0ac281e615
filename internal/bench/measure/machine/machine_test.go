package machine_test

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/machine"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestDescribe(t *testing.T) {
	root := fstest.MapFS{
		"proc/cpuinfo":              file("processor\t: 0\nmodel name\t: Fast: 3 GHz\n"),
		"proc/sys/kernel/osrelease": file("6.18.44\n"),
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": file("performance\n"),
	}
	env := machine.Describe(root, time.Unix(0, 0))
	if env.CPU != "Fast: 3 GHz" || env.Kernel != "6.18.44" || env.Governor != "performance" || env.Started != "1970-01-01T00:00:00Z" {
		t.Errorf("got %+v", env)
	}
	if len(env.Build) != 64 {
		t.Errorf("got build %q, want a SHA-256", env.Build)
	}
	if env.Go == "" || env.Cores < 1 || env.Commit == "" || env.Flags == nil || env.Modules == nil {
		t.Errorf("the build is incomplete: %+v", env)
	}
}

func TestDescribeUnknownSystem(t *testing.T) {
	env := machine.Describe(fstest.MapFS{}, time.Unix(0, 0))
	if env.CPU != "unknown" || env.Kernel != "unknown" || env.Governor != "unknown" {
		t.Errorf("got CPU %q, kernel %q, governor %q; want unknown", env.CPU, env.Kernel, env.Governor)
	}
}

const ownStat = "7 (bench (run) er) S 1 7 7 0 -1 4194304 100 0 0 0 "

func TestOthers(t *testing.T) {
	// user nice system idle iowait irq softirq steal guest guest_nice
	root := fstest.MapFS{
		"proc/stat":      file("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n"),
		"proc/self/stat": file(ownStat + "80 20 0 0 20 0\n"),
	}
	load := machine.Watch(root)
	// 1,000 ticks later: 400 in our own process, 100 in others, 50 stolen, the
	// rest idle or waiting for a disk.
	root["proc/stat"] = file("cpu  500 0 150 1200 100 0 0 50 0 0\n")
	root["proc/self/stat"] = file(ownStat + "430 70 0 0 20 0\n")
	others, known := load.Others()
	if !known || others != 0.15 {
		t.Errorf("got %v, %v; want 0.15", others, known)
	}
	if text := load.Warning(); !strings.Contains(text, "15 %") || !result.SaysBusy(text) {
		t.Errorf("got warning %q, want one of 15 %%", text)
	}
}

func TestQuietMachine(t *testing.T) {
	root := fstest.MapFS{
		"proc/stat":      file("cpu  100 0 50 800 50 0 0 0 0 0\n"),
		"proc/self/stat": file(ownStat + "80 20 0 0 20 0\n"),
	}
	load := machine.Watch(root)
	root["proc/stat"] = file("cpu  600 0 60 1290 50 0 0 0 0 0\n")
	root["proc/self/stat"] = file(ownStat + "580 20 0 0 20 0\n")
	if text := load.Warning(); text != "" {
		t.Errorf("one part in a hundred: got warning %q, want none", text)
	}
}

// The work of processes that the run has started is the run's own, also when they
// have ended.
func TestOwnProcesses(t *testing.T) {
	const child, grandchild, other = "8 (a b) S 7 1 1 0 -1 0 0 0 0 0 ", "9 (c) S 8 1 1 0 -1 0 0 0 0 0 ", "6 (d) S 1 1 1 0 -1 0 0 0 0 0 "
	root := fstest.MapFS{
		"proc/stat":      file("cpu  0 0 0 0 0 0 0 0 0 0\n"),
		"proc/self/stat": file("7 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0\n"),
		"proc/7/stat":    file("7 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0\n"),
	}
	load := machine.Watch(root)
	root["proc/stat"] = file("cpu  100 0 0 0 0 0 0 0 0 0\n")
	root["proc/self/stat"] = file("7 (x) S 1 1 1 0 -1 0 0 0 0 0 10 0 10 0 20 0\n") // 10 by one that has ended
	root["proc/8/stat"] = file(child + "30 10 0 0 20 0\n")
	root["proc/9/stat"] = file(grandchild + "20 0 0 0 20 0\n")
	root["proc/6/stat"] = file(other + "20 0 0 0 20 0\n")
	if others, known := load.Others(); !known || math.Abs(others-0.2) > 1e-9 {
		t.Errorf("got %v, %v; want 0.2: 80 of 100 ticks are the run's own", others, known)
	}
}

func TestUnknownLoad(t *testing.T) {
	for name, root := range map[string]fstest.MapFS{
		"no files":  {},
		"malformed": {"proc/stat": file("cpu a b c d e f g h\n"), "proc/self/stat": file("7 (x) S\n")},
	} {
		load := machine.Watch(root)
		if _, known := load.Others(); known || load.Warning() != "" {
			t.Errorf("%s: claims to know the load", name)
		}
	}
}

func TestWaited(t *testing.T) {
	root := fstest.MapFS{
		"proc/self/task/7/schedstat": file("900 1000 3\n"),
		"proc/self/task/8/schedstat": file("900 500 3\n"),
		"proc/self/task/9/schedstat": file("garbage\n"),
	}
	if got := machine.Waited(root); got != 1500 {
		t.Errorf("got %v, want 1.5µs", got)
	}
	if got := machine.Waited(fstest.MapFS{}); got != 0 {
		t.Errorf("unknown: got %v, want 0", got)
	}
	if machine.WaitWarning(0.04) != "" || machine.WaitWarning(0.06) == "" {
		t.Error("want a warning above 5 %, and none below")
	}
	if !result.SaysBusy(machine.WaitWarning(0.06)) || result.SaysBusy("drift: of a busy machine: 1 %") {
		t.Error("warnings of a busy machine are not told from others")
	}
}
