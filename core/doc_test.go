package core_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuideNamesEveryFile: the package comment lists each file of the package once.
func TestGuideNamesEveryFile(t *testing.T) {
	guide, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "doc.go" {
			continue
		}
		if n := strings.Count(string(guide), "//   - "+file+": "); n != 1 {
			t.Errorf("doc.go lists %s %d times, want once", file, n)
		}
	}
}
