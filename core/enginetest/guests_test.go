package enginetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRebuildGivesTheCommittedGuests builds the guests again, where the tools are
// there. With AIRHOST_REBUILD=1 they must be.
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
			t.Errorf("%s: what is committed is not what its source gives (%v): run go generate", name, err)
		}
	}
}
