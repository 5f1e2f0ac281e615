package corpus

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/wasm"
)

// programs is a Go module with components that toolchains for Rust and Go have made. It
// is fetched by its test alone, so that users of the library do not have to.
const programs = "github.com/samyfodil/wazy@v0.7.0"

// TestPrograms calls what real programs export: each core module of each component,
// with a host that answers 0 to everything, a thousand times a call.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("real programs take half a minute")
	}
	paths := components(t)
	_, spectest := specification(t)
	all := slices.DeleteFunc(slices.Clone(targets(t)), func(t target) bool { return t.engine.name() == "interpreter" }) // too slow
	var counts tally
	seen := make(map[[sha256.Size]byte]bool) // many have the same modules beside their own
	t.Run("components", func(t *testing.T) {
		for _, path := range paths {
			s := programScript(t, path, seen, &counts)
			t.Run(strings.TrimSuffix(filepath.Base(path), ".wasm"), func(t *testing.T) {
				t.Parallel()
				compareScript(t, s, all, spectest, &counts)
			})
		}
	})
	if !t.Failed() {
		counts.check(t, "testdata/programs.txt")
	}
}

// programScript returns a script of the core modules of a component, but for those
// that were seen before.
func programScript(t *testing.T, path string, seen map[[sha256.Size]byte]bool, counts *tally) *script {
	t.Helper()
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cores, err := coreModules(binary)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	s := &script{dir: t.TempDir(), host: true}
	for i, core := range cores {
		if sum := sha256.Sum256(core); !seen[sum] {
			seen[sum] = true
			s.addProgram(t, fmt.Sprintf("core-%d.wasm", i), core, counts)
		}
	}
	counts.add("core modules, with those that several have", len(cores))
	return s
}

// components returns the paths of all components.
func components(t *testing.T) (paths []string) {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", programs)
	cmd.Dir = t.TempDir() // not in a module, whose go.mod would change
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); err != nil || jsonErr != nil {
		t.Skipf("%s cannot be had: %v %s", programs, err, module.Error)
	}
	err = filepath.WalkDir(filepath.Join(module.Dir, "imports/wasip2/testdata"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".wasm") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// coreModules returns the core modules within a component, and within those in it.
func coreModules(component []byte) (cores [][]byte, err error) {
	const coreModule, nested = 1, 4
	if len(component) < 8 || string(component[:8]) != "\x00asm\x0d\x00\x01\x00" {
		return nil, fmt.Errorf("no component: % x", component[:min(len(component), 8)])
	}
	for rest := component[8:]; len(rest) > 0; {
		id, size, n := rest[0], 0, 1
		for shift := 0; ; shift += 7 {
			size |= int(rest[n]&0x7f) << shift
			if n++; rest[n-1] < 0x80 {
				break
			}
		}
		content := rest[n : n+size]
		rest = rest[n+size:]
		switch id {
		case coreModule:
			cores = append(cores, content)
		case nested:
			inner, err := coreModules(content)
			if err != nil {
				return nil, err
			}
			cores = append(cores, inner...)
		}
	}
	return cores, nil
}

// addProgram adds a module, and a call of each of its exports. Modules that share a
// memory or a table with another one need that: they are counted as left out.
func (s *script) addProgram(t *testing.T, name string, binary []byte, counts *tally) {
	t.Helper()
	m, err := wasm.Parse(binary)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i := range m.Imports {
		if m.Imports[i].Kind != wasm.KindFunc {
			counts.add("modules that share a memory or a table", 1)
			return
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), binary, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Commands = append(s.Commands, command{Type: "module", Filename: name})
	for _, e := range m.Exports {
		typ, ok := functionType(m, e.Name)
		if args, simple := someArguments(typ); ok && simple {
			s.Commands = append(s.Commands, command{Type: "action", Filename: name,
				Action: action{Type: "invoke", Field: e.Name, Args: args}})
		}
	}
}

// someArguments returns small numbers of a function's types.
func someArguments(typ wasm.FuncType) (args []constant, ok bool) {
	for i, p := range typ.Params {
		switch p {
		case wasm.I32, wasm.I64, wasm.F32, wasm.F64:
			args = append(args, constant{Type: p.String(), Value: fmt.Sprint(8 * i)})
		default:
			return nil, false
		}
	}
	return args, true
}

// mostCalls is how often a call of a program may ask the host.
const mostCalls = 1000

// answer is the host of programs: it notes what it is asked, and answers 0.
func (r *run) answer(_ instance, module, name string, args []uint64) ([]uint64, error) {
	if r.asked++; r.asked > mostCalls {
		return nil, errHost
	}
	hash := fnv.New64a()
	fmt.Fprintln(hash, r.heard, module, name)
	for _, arg := range args {
		fmt.Fprintln(hash, uint32(arg)) // of which the upper half may be anything
	}
	r.heard = hash.Sum64()
	return make([]uint64, 16), nil
}
