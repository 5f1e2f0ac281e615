package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The figures that results/ keeps are those of its result files.
func TestKeptFigures(t *testing.T) {
	const kept = "../../results/"
	files, err := filepath.Glob(kept + "*/headline.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no results: %v", err)
	}
	folder := t.TempDir()
	arguments := slices.Concat([]string{"report"}, files, []string{"--svg", folder + "/headline.svg", "--markdown", folder + "/headline.md"})
	var stdout, stderr strings.Builder
	if code := run(t.Context(), arguments, &stdout, &stderr); code != exitDone {
		t.Fatalf("got exit code %d: %s", code, stderr.String())
	}
	for _, name := range []string{"headline.svg", "headline.md"} {
		want, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(kept + name)
		if diff := cmp.Diff(string(want), string(got)); err != nil || diff != "" {
			t.Errorf("results/%s is not what report draws, %v; `make figures` draws it (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestRunNames(t *testing.T) {
	for _, c := range []struct{ paths, want []string }{
		{[]string{"results/a.json"}, []string{"a.json"}},
		{[]string{"results/a.json", "./results/b.json"}, []string{"a.json", "b.json"}},
		{[]string{"/tmp/x/a/r.json", "/tmp/x/b/r.json"}, []string{"a/r.json", "b/r.json"}},
		{[]string{"r.json", "b/r.json"}, []string{"r.json", "b/r.json"}},
		{[]string{"r.json", "r.json"}, []string{"r.json", "r.json"}},
	} {
		if diff := cmp.Diff(c.want, runNames(c.paths)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.paths, diff)
		}
	}
}
