package corpus

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// suites are the directories of the test suite in wazero's module.
var suites = []string{"v1", "v2", "tail-call", "extended-const"}

// newWasmtime is nil in builds without cgo.
var newWasmtime func() engine

// moduleDir returns the source directory of a dependency.
func moduleDir(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", path, err)
	}
	return strings.TrimSpace(string(out))
}

// target is an engine with the builds to compare with the plain one.
type target struct {
	engine engine
	builds []build
}

func targets(t testing.TB) []target {
	all := []target{{newWazero("compiler", wazero.NewRuntimeConfigCompiler), []build{interruptible, fueled}},
		{newWazero("interpreter", wazero.NewRuntimeConfigInterpreter), []build{fueled}}}
	if newWasmtime != nil {
		all = append(all, target{newWasmtime(), []build{paused, fueled}})
	}
	t.Cleanup(func() {
		for _, target := range all {
			target.engine.close()
		}
	})
	return all
}

var digits = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`)

// reason returns an error's text without the details of one module.
func reason(err error) string {
	text := err.Error()
	if _, msg, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "malformed") {
		text = msg
	}
	return digits.ReplaceAllString(text, "N")
}

// sampled makes -short run one script out of this many.
const sampled = 32

// specification returns the directory of the test suite and the module that scripts
// import.
func specification(t *testing.T) (root string, spectest []byte) {
	t.Helper()
	root = filepath.Join(moduleDir(t, "github.com/tetratelabs/wazero"), "internal/integration_test/spectest")
	spectest, err := os.ReadFile(filepath.Join(root, "testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return root, spectest
}

func TestSpecification(t *testing.T) {
	root, spectest := specification(t)
	all := targets(t)
	var counts tally
	t.Run("scripts", func(t *testing.T) {
		for _, suite := range suites {
			dir := filepath.Join(root, suite, "testdata")
			paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil || len(paths) == 0 {
				t.Fatalf("%s: %d scripts, %v", dir, len(paths), err)
			}
			for i, path := range paths {
				if testing.Short() && i%sampled != sampled/2 {
					continue
				}
				name := suite + "/" + strings.TrimSuffix(filepath.Base(path), ".json")
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					compareScript(t, readScript(t, path, dir), all, spectest, &counts)
				})
			}
		}
	})
	if !testing.Short() {
		counts.check(t, "testdata/specification.txt")
	}
}

// compareScript runs a script on all engines in all builds.
func compareScript(t *testing.T, s *script, all []target, spectest []byte, counts *tally) {
	m, err := s.modules()
	if err != nil {
		t.Fatal(err)
	}
	execute := s.executor(t, m, spectest)
	var first *transcript // of the first exact build
	for _, target := range all {
		want := execute(target.engine, plain)
		s.asSpecified(target.engine.name(), want, counts)
		for _, b := range target.builds {
			where := target.engine.name() + ", " + b.name
			got := execute(target.engine, b)
			s.same(t, where, want, got, counts)
			if b.exact && first != nil {
				s.sameFuel(t, where, first, got, counts)
			} else if b.exact {
				first = got
			}
		}
	}
	counts.add("scripts", 1)
	counts.add("commands", len(s.Commands))
	counts.add("modules", len(m))
}

// executor returns a function that runs the script.
func (s *script) executor(t *testing.T, m modules, spectest []byte) func(engine, build) *transcript {
	return func(e engine, b build) *transcript {
		done, err := s.execute(e, b, m, spectest)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
}

// at describes a command for messages.
func (s *script) at(i int) string {
	c := &s.Commands[i]
	return fmt.Sprintf("line %d, %s %s%s", c.Line, c.Type, c.Filename, c.Action.Field)
}

// asSpecified counts the commands for which the plain build differs from the script.
func (s *script) asSpecified(engine string, got *transcript, counts *tally) {
	for i := range s.Commands {
		if c := &s.Commands[i]; !c.met(got.steps[i]) {
			counts.add(engine+": not as specified: "+c.Type, 1)
		}
	}
}

// met reports whether a step is as the script expects.
func (c *command) met(got step) bool {
	switch c.Type {
	case "module", "register", "action":
		return got.kind == ""
	case "assert_return":
		return got.kind == "" && c.returned(got.values)
	case "assert_trap", "assert_exhaustion":
		return got.kind == c.trap()
	case "assert_invalid", "assert_malformed":
		return c.ModuleType == "text" || strings.HasPrefix(got.kind, refused)
	}
	return got.kind != ""
}

// same compares a build with the plain one.
func (s *script) same(t failer, where string, want, got *transcript, counts *tally) {
	for i, w := range want.steps {
		g := got.steps[i]
		switch {
		case w.equal(g):
			counts.add(where+": same", 1)
		case strings.HasPrefix(g.kind, leftOut) && strings.HasPrefix(w.kind, refused):
			counts.add(where+": refused earlier", 1)
		case strings.HasPrefix(g.kind, leftOut):
			counts.add(where+": "+g.kind, 1)
		default:
			counts.differ(t, "%s: %s: got %v, want %v", where, s.at(i), g, w)
		}
	}
	for i, w := range want.ends {
		if g, ok := got.ends[i]; ok && w.equal(g) {
			counts.add(where+": instances", 1)
		} else if ok || !strings.HasPrefix(got.steps[i].kind, leftOut) {
			counts.differ(t, "%s: %s: at the end, got %v, want %v", where, s.at(i), g, w)
		}
	}
}

// sameFuel compares the fuel of exact builds on two engines. It skips commands with
// different outcomes, since engines refuse different modules.
func (s *script) sameFuel(t failer, where string, want, got *transcript, counts *tally) {
	for i := range s.Commands {
		w, g := want.steps[i], got.steps[i]
		if w.kind != g.kind {
			continue
		}
		if w.fuel != g.fuel {
			counts.differ(t, "%s: %s: used %d fuel so far, %d on another engine", where, s.at(i), g.fuel, w.fuel)
			return
		}
		counts.add(where+": same fuel", 1)
	}
}
