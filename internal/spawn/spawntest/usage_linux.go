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

// Usage counts the resources of this process that may grow, or be left behind, when
// its children are killed.
type Usage struct {
	Heap       uint64 // bytes in use after a collection
	Goroutines int
	Files      int      // open descriptors
	Children   []int    // process ids, including zombies
	Temporary  []string // files in the directory for temporary files
}

// TempDir sets a new directory for temporary files for this test. Its path leaves
// room for that of a socket.
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

// Measure counts the current resources.
func Measure(t testing.TB) Usage {
	t.Helper()
	runtime.GC()
	runtime.GC() // objects in a sync.Pool survive one collection
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

// Children returns the ids of the processes that any thread of this process has
// started, including zombies.
func Children(t testing.TB) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		text, _ := os.ReadFile(file) // fails if the thread has ended
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

// margin is the allowed growth of the heap in bytes: some connections' buffers.
const margin = 2 << 20

// Flat waits until no count is larger than before. If one still is after half a
// minute, the test fails with the text in when.
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

// grown names the first resource that has grown, or is empty.
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

// String returns u as a short text.
func (u Usage) String() string {
	return fmt.Sprintf("%.2f MiB of heap, %d goroutines, %d files, %d children, temporary files %q",
		float64(u.Heap)/(1<<20), u.Goroutines, u.Files, len(u.Children), u.Temporary)
}
