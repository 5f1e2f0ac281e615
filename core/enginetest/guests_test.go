package enginetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRebuildGivesTheCommittedGuests builds the guests again if the tools are installed.
// With AIRHOST_REBUILD=1 it fails without them.
func TestRebuildGivesTheCommittedGuests(t *testing.T) {
	for _, tool := range []string{"clang-19", "wasm-ld-19", "wat2wasm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("AIRHOST_REBUILD") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	built := t.TempDir()
	if out, err := exec.Command("testdata/build.sh", built).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, err := filepath.Glob("testdata/*.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(built, filepath.Base(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the committed bytes are not those of its source (%v): run go generate", name, err)
		}
	}
}
