package spawn_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/airhost/airhost/internal/spawn"
	"github.com/airhost/airhost/internal/spawn/spawntest"
)

func init() {
	roles["descriptors"] = func() { listDescriptors(); os.Exit(3) }
	roles["spins"] = func() {
		for n := 0; ; {
			n++
		}
	}
	roles["grows"] = func() {
		for kept := [][]byte{}; ; {
			kept = append(kept, []byte(strings.Repeat("x", 1<<20)))
		}
	}
	roles["opens"] = func() {
		for {
			if _, err := os.Open(os.DevNull); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(5)
			}
		}
	}
}

func listDescriptors() {
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		target, _ := os.Readlink(name)
		fmt.Fprintln(os.Stderr, filepath.Base(name), target)
	}
}

// leak opens a file without close-on-exec, like a descriptor that the program
// inherited at its own start.
func leak(t *testing.T) (path string, fd int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "secret")
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return path, fd
}

// TestInheritsThree: a plug-in gets its three descriptors, however many its host
// has.
func TestInheritsThree(t *testing.T) {
	path, _ := leak(t)
	_, err := spawn.Start(t.Context(), command("descriptors"))
	details := spawn.Details(err)
	if !strings.Contains(details, "2 pipe:") || strings.Contains(details, path) {
		t.Errorf("the plug-in has\n%s\nwant no %s (%v)", details, path, err)
	}
}

// TestUsedUpLimit: the error names the key of the limit that ended a process.
func TestUsedUpLimit(t *testing.T) {
	for role, c := range map[string]struct {
		limits spawn.Limits
		want   string
	}{
		"spins": {spawn.Limits{CPUTime: time.Second}, "signal: killed: it used up process.cpu_time (1s)"},
		"grows": {spawn.Limits{Memory: 256 << 20}, "it used up process.memory (256 MiB)"},
		"opens": {spawn.Limits{OpenFiles: 32}, "exit status 5: process.open_files is 32: open /dev/null: too many open files"},
	} {
		command := command(role)
		command.Limits = c.limits
		var exit *spawn.ExitError
		if _, err := spawn.Start(t.Context(), command); !errors.As(err, &exit) || !strings.Contains(exit.Error(), c.want) {
			t.Errorf("%s: %v, want %q", role, err, c.want)
		}
	}
}

// TestGroupEndsWithIt: the descendants of a plug-in are killed when the plug-in has
// ended.
func TestGroupEndsWithIt(t *testing.T) {
	c := spawn.Command{Path: write(t, "#!/bin/sh\nsleep 600 &\necho $! >&2\nexit 3\n", 0o700), Kind: kind, StartTimeout: time.Minute}
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	_, err := spawn.Start(t.Context(), c)
	pid, bad := strconv.Atoi(spawn.Details(err))
	if bad != nil {
		t.Fatalf("it says %v, want the number of a process", err)
	}
	spawntest.Await(t, "the end of the plug-in's child", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}
