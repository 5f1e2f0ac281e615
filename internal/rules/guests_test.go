package rules

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

// withoutSource lists the committed modules that have no source: two are made to be refused, and
// the test of the third makes it of another one.
var withoutSource = []string{
	"cmd/airhost/testdata/guests/component.wasm",
	"cmd/airhost/testdata/guests/truncated.wasm",
	"cmd/airhost/testdata/guests/wrapped.wasm",
}

// TestRebuildGivesTheCommittedGuests builds the guests anew and compares. It runs
// where the tools are installed; with AIRHOST_REBUILD=1 they must be.
func TestRebuildGivesTheCommittedGuests(t *testing.T) {
	for _, tool := range []string{"clang-19", "wasm-ld-19", "wat2wasm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("AIRHOST_REBUILD") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	for _, source := range gitFiles(t, "*.c", "*.h", "*.wat", "scripts/build-guests.sh") {
		// go test notes the files that a test opens, and runs it again after a change.
		contents(t, source)
	}
	built := t.TempDir()
	build := exec.CommandContext(t.Context(), filepath.Join(root, "scripts/build-guests.sh"), built)
	build.Env = append(os.Environ(), "PATH="+failingOptimizer(t)+":"+os.Getenv("PATH"))
	if report, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build-guests.sh: %v\n%s", err, report)
	}
	for _, guest := range gitFiles(t, "*.wasm") {
		got, err := os.ReadFile(filepath.Join(built, guest))
		if slices.Contains(withoutSource, guest) {
			continue
		} else if err != nil {
			t.Errorf("scripts/build-guests.sh does not build %s: %v", guest, err)
		} else if !bytes.Equal(got, contents(t, guest)) {
			t.Errorf("%s differs from the module that its source gives: run scripts/build-guests.sh and commit the result", guest)
		}
	}
}

// failingOptimizer returns a folder with a wasm-opt that fails. clang runs the
// wasm-opt in PATH when it links, which changes the bytes.
func failingOptimizer(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "wasm-opt"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestExamplesMeetTheirWorld: each example guest exports all functions of the
// world "component" of wit/airhost.wit, with their types.
func TestExamplesMeetTheirWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the example guests")
	}
	world := lifecycle(t)
	guests := t.TempDir()
	if report, err := exec.CommandContext(t.Context(), filepath.Join(root, "examples/build.sh"), guests).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, report)
	}
	modules, err := filepath.Glob(filepath.Join(guests, "*.wasm"))
	if err != nil || len(modules) < 5 {
		t.Fatalf("examples/build.sh makes the guests %q, want at least 5: %v", modules, err)
	}
	for _, path := range modules {
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasm.Parse(code)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems(m, world) {
			t.Errorf("%s: %s", filepath.Base(path), problem)
		}
		// Only a guest that asks for it has the optional interface.
		if name := filepath.Base(path); exports(m, abi.Save) != (name == "counter.wasm") {
			t.Errorf("%s: that it exports %s is %v", name, abi.Save, exports(m, abi.Save))
		}
		if name := filepath.Base(path); imports(m, abi.Functions) != (name == "shop.wasm" || name == "rates.wasm") {
			t.Errorf("%s: that it imports %s is %v", name, abi.Functions, imports(m, abi.Functions))
		}
		if name := filepath.Base(path); imports(m, abi.PubSub) != (name == "topics.wasm") {
			t.Errorf("%s: that it imports %s is %v", name, abi.PubSub, imports(m, abi.PubSub))
		}
	}
}

func imports(m *wasm.Module, module string) bool {
	return slices.ContainsFunc(m.Imports, func(i wasm.Import) bool { return i.Module == module })
}

func exports(m *wasm.Module, name string) bool {
	return slices.ContainsFunc(m.Exports, func(e wasm.Export) bool { return e.Name == name })
}

// functions returns the names of the functions of an interface in a WIT file, as a module
// exports them.
func functions(t *testing.T, file, of string) (names []string) {
	t.Helper()
	code := string(contents(t, file))
	pkg := regexp.MustCompile(`(?m)^package ([a-z:]+)@0\.1\.0;$`).FindStringSubmatch(code)
	_, body, found := strings.Cut(code, "interface "+of+" {\n")
	if pkg == nil || !found {
		t.Fatalf("%s has no package or no interface %s", file, of)
	}
	body, _, _ = strings.Cut(body, "\n}\n")
	for _, m := range regexp.MustCompile(`(?m)^    ([a-z-]+): func`).FindAllStringSubmatch(body, -1) {
		names = append(names, pkg[1]+"/"+of+"@0.1.0#"+m[1])
	}
	return names
}

// lifecycle returns the names of the exports that the world asks for.
func lifecycle(t *testing.T) []string {
	t.Helper()
	names := functions(t, "wit/airhost.wit", "component-lifecycle")
	if !slices.Contains(names, abi.HandleMessage) || !slices.Contains(names, abi.HandleCallback) {
		t.Fatalf("wit/airhost.wit gives the exports %q", names)
	}
	return names
}

func problems(m *wasm.Module, world []string) []string {
	all := abi.Check(m)
	for _, name := range world {
		if !exports(m, name) {
			all = append(all, fmt.Sprintf("export %s is missing", name))
		}
	}
	return all
}

// TestOptionalExports: the exports that a guest may have are those of wit/, the handler of
// wasi:http, and the post-returns of those that return something in memory.
func TestOptionalExports(t *testing.T) {
	want := []string{abi.Realloc, abi.Start, abi.HandleHTTP}
	for of, file := range map[string]string{
		"component-lifecycle": "wit/airhost.wit", "component-management": "wit/airhost.wit", "component-state": "wit/deps/state.wit",
	} {
		want = append(want, functions(t, file, of)...)
	}
	var got []string
	for _, f := range abi.Exports() {
		if !strings.HasPrefix(f.Name, "cabi_post_") {
			got = append(got, f.Name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("a guest may export\n%q, want\n%q", got, want)
	}
}

// TestProblemsOfGuests: a guest that lacks a function of its world is found.
func TestProblemsOfGuests(t *testing.T) {
	m, err := wasm.Parse(contents(t, "examples/c-echo/echo.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	world := lifecycle(t)
	if found := problems(m, world); len(found) > 0 {
		t.Errorf("c-echo: %q", found)
	}
	m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return e.Name == abi.HandleCallback })
	if found := problems(m, world); len(found) != 1 || !strings.Contains(found[0], "handle-callback") {
		t.Errorf("c-echo without handle-callback: found %q", found)
	}
}
