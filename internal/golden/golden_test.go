package golden_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/golden"
)

// record is a test that notes its failures.
type record struct {
	testing.TB
	failures []string
}

func (r *record) Helper() {}
func (r *record) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("UPDATE", "1")
	golden.Check(t, "a.txt", "one\n")
	t.Setenv("UPDATE", "")
	golden.Check(t, "a.txt", "one\n")
	r := &record{TB: t}
	golden.Check(r, "a.txt", "two\n")
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "two") {
		t.Errorf("another text gives %q, want one failure with the difference", r.failures)
	}
}
