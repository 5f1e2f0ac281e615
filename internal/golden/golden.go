// Package golden compares outputs with the files of a test's testdata folder.
package golden

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Check reports a difference between got and the file of this path below testdata. With
// UPDATE=1 in the environment it writes the file anew.
func Check(t testing.TB, path, got string) {
	t.Helper()
	file := filepath.Join("testdata", path)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; UPDATE=1 go test writes it anew):\n%s", file, diff)
	}
}
