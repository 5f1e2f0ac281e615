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

// programs is a Go module with components built by toolchains for Rust and Go. Only
// its test downloads it; users of the library need not.
const programs = "github.com/samyfodil/wazy@v0.7.0"

// TestPrograms calls the exports of real programs: of each core module of each
// component. The host answers 0 to everything, up to a thousand times per call.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("real programs take half a minute")
	}
	paths := components(t)
	_, spectest := specification(t)
	all := slices.DeleteFunc(slices.Clone(targets(t)), func(t target) bool { return t.engine.name() == "interpreter" }) // too slow
	var counts tally
	seen := make(map[[sha256.Size]byte]bool) // many components contain the same modules
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

// programScript returns a script of a component's core modules, without those in
// seen.
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
	cmd.Dir = t.TempDir() // outside of a module, whose go.mod would change
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

// coreModules returns the core modules in a component and in its nested components.
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

// addProgram adds a module and a call of each of its exports. It counts a module
// that needs another module's memory or table as left out.
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

// someArguments returns small numbers for a function's parameters.
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

// mostCalls is the most host calls in one call of a program.
const mostCalls = 1000

// answer is the programs' host function. It records the call and returns 0.
func (r *run) answer(_ instance, module, name string, args []uint64) ([]uint64, error) {
	if r.hostCalls++; r.hostCalls > mostCalls {
		return nil, errHost
	}
	hash := fnv.New64a()
	fmt.Fprintln(hash, r.hostHash, module, name)
	for _, arg := range args {
		fmt.Fprintln(hash, uint32(arg)) // the upper half is undefined
	}
	r.hostHash = hash.Sum64()
	return make([]uint64, 16), nil
}
