package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the project's folder, seen from this one.
const root = "../.."

const module = "github.com/airhost/airhost"

// pkg holds the fields of `go list -json` that the rules read.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	CgoFiles     []string
}

// local returns the path of a package within the project ("." for the root
// package), or false for a package of another module.
func local(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// gitFiles returns the files of the project that git knows and that fit one of the
// patterns.
func gitFiles(t *testing.T, patterns ...string) (files []string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"ls-files", "-z", "--"}, patterns...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for file := range strings.SplitSeq(string(out), "\x00") {
		// A file that is removed, but not yet from git's index, does not count.
		if _, err := os.Stat(filepath.Join(root, file)); file != "" && err == nil {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		t.Fatalf("no file fits %q", patterns)
	}
	return files
}

// written is gitFiles without generated files and without testdata.
func written(t *testing.T, patterns ...string) []string {
	t.Helper()
	return slices.DeleteFunc(gitFiles(t, patterns...), func(file string) bool {
		return strings.Contains("/"+file, "/testdata/") || strings.HasSuffix(file, ".pb.go")
	})
}

// TestPackageDocs: each package has exactly one package comment, which begins
// with the package's name.
func TestPackageDocs(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue
		}
		switch n := packageComments(t, p); {
		case n != 1:
			t.Errorf("%s has %d package comments, want 1", p.ImportPath, n)
		case p.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Name+" "):
			t.Errorf("%s: its comment begins %q, want %q", p.ImportPath, p.Doc, "Package "+p.Name+" …")
		}
	}
}

func packageComments(t *testing.T, p pkg) (n int) {
	t.Helper()
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			n++
		}
	}
	return n
}
