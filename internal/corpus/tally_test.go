package corpus

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of counts anew")

// tally counts comparisons by their outcome.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

// differences is the key under which differences are counted.
const differences = "differences"

// failer receives the reports of differences.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

// differ counts and reports a difference.
func (c *tally) differ(t failer, format string, args ...any) {
	t.Helper()
	c.add(differences, 1)
	t.Errorf(format, args...)
}

func (c *tally) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	c.counts[what] += n
}

// table returns the counts as lines of text.
func (c *tally) table() []string {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		lines = append(lines, fmt.Sprintf("%7d %s", c.counts[what], what))
	}
	return lines
}

// check compares the counts with a file, so that a test that leaves out more than
// before fails. A build without Wasmtime ignores Wasmtime's lines.
func (c *tally) check(t *testing.T, path string) {
	t.Helper()
	got := c.table()
	if *update && newWasmtime != nil {
		if err := os.WriteFile(path, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if newWasmtime == nil {
		want = slices.DeleteFunc(want, func(line string) bool { return strings.Contains(line, "wasmtime") })
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
