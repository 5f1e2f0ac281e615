package spawn

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCloseOnExecEach tests the way for kernels that cannot mark all descriptors at
// once.
func TestCloseOnExecEach(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	closeOnExecEach()
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %x, %v, want FD_CLOEXEC", flags, err)
	}
}

func TestOutOfMemoryOfItsGroup(t *testing.T) {
	g := &cgroup{t.TempDir()}
	if g.oomKilled() {
		t.Error("without memory.events")
	}
	for events, want := range map[string]bool{
		"low 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n": true,
		"max 7\noom 0\noom_kill 0\n":                          false,
	} {
		if err := os.WriteFile(filepath.Join(g.path, "memory.events"), []byte(events), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := g.oomKilled(); got != want {
			t.Errorf("oomKilled of %q is %v", events, got)
		}
	}
}

func TestOnNoexec(t *testing.T) {
	if onNoexec(t.TempDir()) {
		t.Skip("the folder for temporary files is mounted so")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc", &fs); err != nil || fs.Flags&unix.MS_NOEXEC == 0 {
		t.Skip("/proc is not mounted with noexec here")
	}
	if !onNoexec("/proc/version") {
		t.Error("/proc: not found to be mounted with noexec")
	}
}
