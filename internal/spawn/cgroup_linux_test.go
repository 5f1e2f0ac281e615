package spawn

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCgroup uses plain files in place of the kernel's.
func TestCgroup(t *testing.T) {
	parent := t.TempDir()
	if g := cgroupIn(parent, 42, 1<<20); g != nil {
		t.Errorf("a folder that is no control group: %v", g)
	}
	if err := os.WriteFile(filepath.Join(parent, "cgroup.procs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// The kernel creates no files here, so the limit of memory cannot be set.
	if g := cgroupIn(parent, 42, 1<<20); g != nil {
		t.Errorf("without memory.max: %v", g)
	}
	if _, err := os.Stat(filepath.Join(parent, "airhost-plugin-42")); !os.IsNotExist(err) {
		t.Errorf("what could not be used is left: %v", err)
	}
	g := &cgroup{parent}
	for _, name := range []string{"memory.max", "cgroup.kill"} {
		if err := os.WriteFile(filepath.Join(parent, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.set("memory.max", 1<<20); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(parent, "memory.max")); string(got) != "1048576\n" || err != nil {
		t.Errorf("memory.max holds %q, %v", got, err)
	}
	g.remove()
	if got, err := os.ReadFile(filepath.Join(parent, "cgroup.kill")); string(got) != "1\n" || err != nil {
		t.Errorf("cgroup.kill holds %q, %v", got, err)
	}
}

func TestOwnCgroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cgroup")
	if err := os.WriteFile(file, []byte("4:memory:/x\n0::/system.slice/airhost.service\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ownCgroup(file); got != "/system.slice/airhost.service" || err != nil {
		t.Errorf("ownCgroup = %q, %v", got, err)
	}
	if _, err := ownCgroup(file + "x"); err == nil {
		t.Error("a file that is not there: no error")
	}
}
