package airhostfx_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// linked returns the packages outside of the standard library that a program links
// which imports the given packages of the project.
func linked(t *testing.T, packages ...string) []string {
	t.Helper()
	args := append([]string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}, packages...)
	command := exec.Command("go", args...)
	command.Dir = ".."
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// TestWeight: a program that embeds a host with a broker and a tracker links six
// packages at most.
func TestWeight(t *testing.T) {
	if got := linked(t, "./core/host", "./brokers/inproc", "./trackers/slab"); len(got) > 6 || len(got) < 4 {
		t.Errorf("got %d packages, want the four and at most two more:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// TestWithoutFx: whoever does not wire by fx does not link it.
func TestWithoutFx(t *testing.T) {
	isFx := func(path string) bool { return strings.HasPrefix(path, "go.uber.org/") }
	for _, path := range linked(t, "./core/...", "./backends/...", "./brokers/...", "./trackers/...", "./guest", "./plugin") {
		if isFx(path) {
			t.Errorf("%s is linked", path)
		}
	}
	found := false
	for _, path := range linked(t, "./airhostfx") {
		found = found || isFx(path)
	}
	if !found {
		t.Error("airhostfx does not link fx: the test looks for the wrong packages")
	}
}
