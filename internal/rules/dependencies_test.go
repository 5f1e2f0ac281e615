package rules

import (
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// downloaded has the modules that `go mod tidy` of a program downloads if the program
// imports the root package, and that this module's packages and tests import. With the
// modules that these need, they take 110 MB; most of it is wazero.
var downloaded = []string{
	"github.com/google/go-cmp",
	"github.com/tetratelabs/wazero",
	"go.uber.org/goleak",
	"golang.org/x/sys",
	"pgregory.net/rapid",
}

// TestDownloads: a program that imports the root package does not download large modules
// that it does not need, such as wasmtime-go with its 200 MB.
func TestDownloads(t *testing.T) {
	got := map[string]string{}
	for path, file := range tidied(t, "") {
		i := slices.IndexFunc(downloaded, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
		if i < 0 {
			t.Errorf("%s imports %s: users of the root package would download its module", file, path)
			continue
		}
		got[downloaded[i]] = file
	}
	for _, m := range downloaded {
		if got[m] == "" {
			t.Errorf("nothing imports %s: remove it from the list", m)
		}
	}
}

// TestDownloadsOfWasmtime: the rule must be able to find wasmtime-go.
func TestDownloadsOfWasmtime(t *testing.T) {
	const library = "github.com/bytecodealliance/wasmtime-go/v39"
	for _, pkg := range []string{"backends/wasmtime", "internal/meter/metertest"} { // one imports it, one in a test
		if tidied(t, pkg)[library] == "" {
			t.Errorf("%s: %s is not found", pkg, library)
		}
	}
}

// TestNoServer: the programs have the NATS server only with its tag. Otherwise they would be 13 MB
// larger.
func TestNoServer(t *testing.T) {
	const server = "github.com/nats-io/nats-server/"
	for tag, want := range map[string]bool{"": false, "nats_server": true} {
		out, err := shell("go list -deps -tags '" + tag + "' ./cmd/...")
		if err != nil || strings.Contains(out, server) != want {
			t.Errorf("with the tag %q: the server is there: %v, %v", tag, !want, err)
		}
	}
}

// tidied returns the packages of other modules that `go mod tidy` looks for when a
// program imports a package of this module, each with a file that imports it. It looks
// for the packages that the program needs, for those that the tests of these import,
// and for all that they import in turn. It does so for all platforms.
func tidied(t *testing.T, pkg string) (others map[string]string) {
	t.Helper()
	others = map[string]string{}
	seen := map[string]bool{}
	var visit func(pkg string)
	add := func(pkg string, tests bool) {
		for path, file := range importsIn(t, pkg, tests) {
			if path == module || strings.HasPrefix(path, module+"/") {
				visit(strings.TrimPrefix(strings.TrimPrefix(path, module), "/"))
			} else if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				others[path] = file
			}
		}
	}
	visit = func(pkg string) {
		if !seen[pkg] {
			seen[pkg] = true
			add(pkg, false)
		}
	}
	visit(pkg)
	for _, pkg := range slices.Collect(maps.Keys(seen)) {
		add(pkg, true)
	}
	return others
}

// importsIn returns the imports of a package's files, or of its tests, each with a file
// that has it, whatever platforms the file is for.
func importsIn(t *testing.T, pkg string, tests bool) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := os.ReadDir(filepath.Join("../..", pkg))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Join(pkg, f.Name())
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") != tests {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			all[path] = name
		}
	}
	return all
}
