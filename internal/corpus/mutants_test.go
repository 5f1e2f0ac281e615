package corpus

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
	"github.com/airhost/airhost/internal/wasm"
)

// mutant is a way to break a module that the meter has changed.
type mutant struct {
	name   string
	script string // of suite v1; detects the mutant
	spoil  func(*meter.Result)
}

// TestBrokenBuildsAreFound: the comparison detects a build that changes results,
// traps, memories, globals or fuel.
func TestBrokenBuildsAreFound(t *testing.T) {
	root, spectest := specification(t)
	dir := filepath.Join(root, "v1/testdata")
	compiler, interpreter := newWazero("compiler", wazero.NewRuntimeConfigCompiler), newWazero("interpreter", wazero.NewRuntimeConfigInterpreter)
	t.Cleanup(func() { compiler.close(); interpreter.close() })
	for _, mutant := range []mutant{
		{"adding subtracts", "i32", swapped(0x6a, 0x6b)},
		{"comparing ignores the sign", "i32", swapped(0x48, 0x49)},
		{"the least is the greatest", "f64", swapped(0xa4, 0xa5)},
		{"a byte loses its sign", "endianness", swapped(0x2e, 0x2f)},
		{"stores are shorter", "memory_trap", swapped(0x36, 0x3a)},
		{"nothing traps", "unreachable", swapped(0x00, 0x01)},
		{"fuel costs one more", "fac", costlier},
		{"data is lost", "float_exprs", func(r *meter.Result) { r.Module.Data.Raw = blanked(r.Module.Data.Raw) }},
	} {
		t.Run(mutant.name, func(t *testing.T) {
			s := readScript(t, filepath.Join(dir, mutant.script+".json"), dir)
			m, err := s.modules()
			if err != nil {
				t.Fatal(err)
			}
			execute := s.executor(t, m, spectest)
			var counts tally
			found := new(finder)
			got := execute(compiler, broken(mutant))
			s.same(found, "mutant", execute(compiler, plain), got, &counts)
			s.sameFuel(found, "mutant", execute(interpreter, fueled), got, &counts)
			if found.differences == 0 {
				t.Errorf("no difference was found in %s", mutant.script)
			}
		})
	}
}

// finder counts the reported differences.
type finder struct{ differences int }

func (f *finder) Helper()               {}
func (f *finder) Errorf(string, ...any) { f.differences++ }

// broken is the build with fuel, broken by m. Its fuel is low, so that a loop that
// has become endless ends soon.
func broken(m mutant) build {
	b := fueled
	b.fuel = 1 << 22
	b.make = func(plain *wasm.Module) (*meter.Result, error) {
		res, err := fueled.make(plain)
		if err == nil {
			m.spoil(res)
		}
		return res, err
	}
	return b
}

// swapped replaces all instructions of one opcode by another with the same operands.
func swapped(from, to byte) func(*meter.Result) {
	return func(r *meter.Result) {
		change(r.Module, func(expr []byte, in *wasm.Instructions) {
			if in.Op == wasm.Opcode(from) {
				expr[in.Start] = to
			}
		})
	}
}

// costlier adds one to the first charge of each function.
func costlier(r *meter.Result) {
	change(r.Module, func(expr []byte, in *wasm.Instructions) {
		const i64Const, i64Sub = 0x42, 0x7d
		if in.Op == i64Const && expr[in.End] == i64Sub && in.End-in.Start == 2 && expr[in.Start+1] < 0x3f {
			expr[in.Start+1]++
		}
	})
}

// change calls f with a copy of each function's code, at each instruction.
func change(m *wasm.Module, f func(expr []byte, in *wasm.Instructions)) {
	m.Code = slices.Clone(m.Code)
	for i := range m.Code {
		changed := bytes.Clone(m.Code[i].Expr)
		in := m.Code[i].Instructions()
		for in.Next() {
			f(changed, &in)
		}
		m.Code[i].Expr = changed
	}
}

// blanked replaces the letters in data segments by spaces.
func blanked(raw []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r >= 0x60 && r < 0x7f {
			return 0x20
		}
		return r
	}, raw)
}
