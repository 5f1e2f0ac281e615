package hostile_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/internal/hostile"
)

// TestRebuildGivesTheCommittedGuest rebuilds the guest if clang-19 is installed.
// AIRHOST_REBUILD=1 requires it.
func TestRebuildGivesTheCommittedGuest(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil && os.Getenv("AIRHOST_REBUILD") != "1" {
		t.Skip("clang-19 is not installed; AIRHOST_REBUILD=1 makes this a failure")
	}
	for _, file := range []string{"guest/attacker.c", "guest/build.sh"} {
		// The call makes go test rerun this test when the file changes.
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
	}
	out := t.TempDir()
	if report, err := exec.CommandContext(t.Context(), "guest/build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, report)
	}
	built, err := os.ReadFile(filepath.Join(out, "attacker.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, hostile.Guest) {
		t.Errorf("the source gives %d bytes that differ from the %d committed; run guest/build.sh and commit the result", len(built), len(hostile.Guest))
	}
}
