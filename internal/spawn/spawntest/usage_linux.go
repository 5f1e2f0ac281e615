package spawntest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Usage is what this process has of what may grow, or be left behind, when
// processes that it has started are killed.
type Usage struct {
	Heap       uint64 // bytes in use after a collection
	Goroutines int
	Files      int      // descriptors that are open
	Children   []int    // processes, also those that have ended and were not reaped
	Temporary  []string // what is in the folder for temporary files
}

// TempDir makes a folder for temporary files of the test's own. Its name is short
// enough for sockets.
func TempDir(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kill")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", dir)
}

// Measure measures what there is now.
func Measure(t testing.TB) Usage {
	t.Helper()
	runtime.GC()
	runtime.GC() // what pools held has a second life
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return Usage{
		Heap: memory.HeapAlloc, Goroutines: runtime.NumGoroutine(),
		Files: len(names(t, "/proc/self/fd")), Children: Children(t), Temporary: names(t, os.TempDir()),
	}
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

// Children are the processes that any of this one's threads has started, those
// included that have ended and were not reaped.
func Children(t testing.TB) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		text, _ := os.ReadFile(file) // the thread may have ended
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// margin is by how many bytes the heap may differ when nothing has grown: some
// connections' buffers.
const margin = 2 << 20

// Flat waits until there is no more of anything than there was. What there still
// is after half a minute fails the test, which says when that was.
func (before Usage) Flat(t testing.TB, when string) {
	t.Helper()
	now := Measure(t)
	for end := time.Now().Add(patience); before.grown(now) != "" && time.Now().Before(end); now = Measure(t) {
		<-time.After(time.Millisecond)
	}
	if what := before.grown(now); what != "" {
		t.Errorf("%s: %s:\nbefore: %v\nnow:    %v", when, what, before, now)
	}
	t.Logf("%s: %v; before: %v", when, now, before)
}

// grown names what there is more of now.
func (before Usage) grown(now Usage) string {
	switch {
	case now.Heap > before.Heap+margin:
		return "the heap has grown"
	case now.Goroutines > before.Goroutines:
		return "there are more goroutines"
	case now.Files > before.Files:
		return "more files are open"
	case len(now.Children) > len(before.Children):
		return "there are more child processes"
	case len(now.Temporary) > len(before.Temporary):
		return "there are more temporary files"
	}
	return ""
}

// String returns u in a few words.
func (u Usage) String() string {
	return fmt.Sprintf("%.2f MiB of heap, %d goroutines, %d files, %d children, temporary files %q",
		float64(u.Heap)/(1<<20), u.Goroutines, u.Files, len(u.Children), u.Temporary)
}
