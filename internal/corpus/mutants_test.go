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

// mutant breaks what the meter has made.
type mutant struct {
	name   string
	script string // of suite v1, which shows it
	spoil  func(*meter.Result)
}

// TestBrokenBuildsAreFound: the comparison finds it if a build changes results, traps,
// memories, globals or the fuel.
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
		{"fuel costs one more", "fac", dearer},
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

// finder counts the differences that it is told of.
type finder struct{ differences int }

func (f *finder) Helper()               {}
func (f *finder) Errorf(string, ...any) { f.differences++ }

// broken is the build with fuel, broken. It has so little fuel that a loop that never
// ends anymore is over soon.
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

// swapped has each instruction of one opcode be another of the same operands.
func swapped(from, to byte) func(*meter.Result) {
	return func(r *meter.Result) {
		change(r.Module, func(expr []byte, in *wasm.Instructions) {
			if in.Op == wasm.Opcode(from) {
				expr[in.Start] = to
			}
		})
	}
}

// dearer has each first charge of a function be one more.
func dearer(r *meter.Result) {
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

// blanked returns segments of data with spaces for letters.
func blanked(raw []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r >= 0x60 && r < 0x7f {
			return 0x20
		}
		return r
	}, raw)
}
