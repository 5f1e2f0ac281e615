package spawn

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReapOrphans: a process that adopts orphans reaps them, and leaves its own children to
// those who wait for them.
func TestReapOrphans(t *testing.T) {
	adopt := func(yes uintptr) {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, yes, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	adopt(1)
	defer adopt(0)
	defer ReapOrphans()()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				var printed bytes.Buffer
				parent := exec.Command("sh", "-c", "setsid sh -c 'exit 3' >/dev/null 2>&1 & echo $!; exit 7")
				parent.Stdout = &printed
				if err := startChild(parent); err != nil {
					t.Error(err)
					return
				}
				err := reapChild(parent)
				if code := parent.ProcessState.ExitCode(); code != 7 {
					t.Errorf("exit code of an own child: %d, %v, want 7", code, err)
				}
				isReaped(t, strings.TrimSpace(printed.String()))
			}
		})
	}
	all.Wait()
	children.mu.Lock()
	defer children.mu.Unlock()
	if len(children.pids) > 0 {
		t.Errorf("children that were reaped are still known: %v", children.pids)
	}
}

// isReaped waits until nothing is left of a process.
func isReaped(t *testing.T, pid string) {
	t.Helper()
	looks := time.NewTicker(time.Millisecond)
	defer looks.Stop()
	late := time.After(time.Minute)
	for {
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			return
		}
		select {
		case <-looks.C:
		case <-late:
			t.Errorf("process %s was not reaped", pid)
			return
		}
	}
}
