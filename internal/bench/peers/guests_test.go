package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRebuildGivesTheCommittedGuests builds the guests anew where clang-19 is
// installed; AIRHOST_REBUILD=1 insists on it.
func TestRebuildGivesTheCommittedGuests(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil && os.Getenv("AIRHOST_REBUILD") != "1" {
		t.Skip("clang-19 is not installed; AIRHOST_REBUILD=1 makes this a failure")
	}
	sources, err := filepath.Glob("guests/src/*")
	for _, file := range append(sources, "guests/build.sh") {
		// Seen by go test, which then runs this again when the file changes.
		if _, statErr := os.Stat(file); statErr != nil || err != nil {
			t.Fatal(err, statErr)
		}
	}
	out := t.TempDir()
	if report, err := exec.CommandContext(t.Context(), "guests/build.sh", out).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, report)
	}
	for name, committed := range map[string][]byte{"bare": bareModule, "extism": extismModule, "greeter": greeterModule} {
		built, err := os.ReadFile(filepath.Join(out, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(built, committed) {
			t.Errorf("%s.wasm: the source gives %d bytes that differ from the %d committed; run build.sh and commit the result", name, len(built), len(committed))
		}
	}
}
