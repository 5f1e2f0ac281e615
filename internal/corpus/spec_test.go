package corpus

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
)

// suites are parts of the test suite, as they are in wazero's module.
var suites = []string{"v1", "v2", "tail-call", "extended-const"}

// newWasmtime is nil in builds without cgo.
var newWasmtime func() engine

// moduleDir returns where a dependency's source is.
func moduleDir(t testing.TB, path string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatalf("go list -m %s: %v", path, err)
	}
	return strings.TrimSpace(string(out))
}

// target is an engine with the builds that are compared with the plain one.
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

// tally counts what was compared.
type tally struct {
	mu          sync.Mutex
	counts      map[string]int
	differences int
}

func (c *tally) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	c.counts[what] += n
}

var digits = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`)

// reason returns an error without what is different for each module.
func reason(err error) string {
	text := err.Error()
	if _, msg, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "malformed") {
		text = msg
	}
	return digits.ReplaceAllString(text, "N")
}

func TestSpecification(t *testing.T) {
	root := filepath.Join(moduleDir(t, "github.com/tetratelabs/wazero"), "internal/integration_test/spectest")
	spectest, err := os.ReadFile(filepath.Join(root, "testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	all := targets(t)
	var counts tally
	t.Run("scripts", func(t *testing.T) {
		for _, suite := range suites {
			dir := filepath.Join(root, suite, "testdata")
			paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil || len(paths) == 0 {
				t.Fatalf("%s: %d scripts, %v", dir, len(paths), err)
			}
			for _, path := range paths {
				name := suite + "/" + strings.TrimSuffix(filepath.Base(path), ".json")
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					compareScript(t, readScript(t, path, dir), all, spectest, &counts)
				})
			}
		}
	})
	for what, n := range counts.counts {
		t.Logf("%6d %s", n, what)
	}
	t.Logf("%d differences", counts.differences)
}

// compareScript runs a script everywhere.
func compareScript(t *testing.T, s *script, all []target, spectest []byte, counts *tally) {
	m, err := s.modules()
	if err != nil {
		t.Fatal(err)
	}
	execute := func(e engine, b build) []step {
		steps, err := s.execute(e, b, m, spectest)
		if err != nil {
			t.Fatal(err)
		}
		return steps
	}
	var fuel []step
	for _, target := range all {
		want := execute(target.engine, plain)
		s.asSpecified(t, target.engine.name(), want, counts)
		for _, b := range target.builds {
			where := target.engine.name() + "/" + b.name
			got := execute(target.engine, b)
			s.same(t, where, want, got, counts)
			if b.exact && fuel == nil {
				fuel = got
			} else if b.exact {
				s.sameFuel(t, where, fuel, got, counts)
			}
		}
	}
	counts.add("scripts", 1)
	counts.add("commands", len(s.Commands))
}

// at names a step for messages.
func (s *script) at(i int) string {
	if i < len(s.Commands) {
		return fmt.Sprintf("line %d, %s %s", s.Commands[i].Line, s.Commands[i].Type, s.Commands[i].Action.Field)
	}
	return fmt.Sprintf("instance %d at the end", i-len(s.Commands))
}

// asSpecified checks the plain build against what the script expects.
func (s *script) asSpecified(t *testing.T, where string, got []step, counts *tally) {
	for i := range s.Commands {
		if c := &s.Commands[i]; !c.met(got[i]) {
			counts.add(where+": not as specified: "+c.Type, 1)
			t.Logf("%s: %s: got %v, want %v %s", where, s.at(i), got[i], c.Expected, c.Text)
		}
	}
}

// met reports whether a step is what the script expects.
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
func (s *script) same(t *testing.T, where string, want, got []step, counts *tally) {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) {
			t.Errorf("%s: %d steps, want %d", where, len(got), len(want))
			return
		}
		switch w, g := want[i], got[i]; {
		case w.equal(g):
			counts.add(where+": same", 1)
		case strings.HasPrefix(g.kind, leftOut) && strings.HasPrefix(w.kind, refused):
			counts.add(where+": refused earlier", 1)
		case strings.HasPrefix(g.kind, leftOut):
			counts.add(where+": "+g.kind, 1)
		default:
			counts.add("differences", 1)
			t.Errorf("%s: %s: got %v, want %v", where, s.at(i), g, w)
		}
	}
}

// sameFuel compares the fuel of exact builds on two engines.
func (s *script) sameFuel(t *testing.T, where string, want, got []step, counts *tally) {
	for i := range min(len(want), len(got)) {
		if w, g := want[i].fuel, got[i].fuel; w != g {
			counts.add("differences", 1)
			t.Errorf("%s: %s: used %d fuel so far, %d on the first engine", where, s.at(i), g, w)
			return
		}
	}
}
