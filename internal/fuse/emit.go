package fuse

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// emit writes the result.
func (f *fuser) emit() error {
	for _, in := range f.instances {
		if !in.live {
			continue
		}
		if err := f.emitInstance(in); err != nil {
			return fmt.Errorf("%s: %w", in, err)
		}
	}
	for i := range f.foreign {
		if from := &f.foreign[i]; from.used && from.source == SourceTrap {
			f.addFunc(from.typ, wasm.Code{Expr: []byte{byte(wasm.OpUnreachable), byte(wasm.OpEnd)}})
			f.name(from.number, from.module, from.name)
		}
	}
	f.addWrappers()
	for i, d := range f.exports {
		e := wasm.Export{Name: f.graph.Exports[i].Name, Kind: d.kind, Index: f.index(d)}
		if e.Name == f.graph.Realloc && len(f.allocators) > 0 {
			e.Index = f.dispatcher
		}
		f.out.Exports = append(f.out.Exports, e)
	}
	f.declare()
	f.addStart()
	f.addNames()
	return nil
}

// addFunc appends a function.
func (f *fuser) addFunc(typ wasm.FuncType, code wasm.Code) {
	f.out.Functions = append(f.out.Functions, f.typeIndex(typ))
	f.out.Code = append(f.out.Code, code)
}

// emitInstance appends the definitions of an instance's module.
func (f *fuser) emitInstance(in *instance) error {
	m, to := in.module, f.translate(in)
	for i := range m.Code {
		if in.numbers[wasm.KindFunc][i] == dropped {
			continue
		}
		code, err := f.rewrite(in, to, m.Code[i])
		if err != nil {
			return err
		}
		f.addFunc(m.Types[m.Functions[i]], code)
	}
	for i, t := range m.Tables {
		if in.numbers[wasm.KindTable][i] != dropped {
			f.out.Tables = append(f.out.Tables, t)
		}
	}
	for i, limits := range m.Memories {
		if in.numbers[wasm.KindMemory][i] != dropped {
			f.out.Memories = append(f.out.Memories, limits)
		}
	}
	for i := range m.Globals {
		f.out.Globals = append(f.out.Globals, wasm.Global{Type: m.Globals[i].Type, Init: f.expression(in.globals[i])})
	}
	if m.facts.bulk {
		f.countData = true
	}
	f.instanceNames(in)
	return f.emitSegments(in, to)
}

// declare names the functions to which code takes references, as the format wants.
func (f *fuser) declare() {
	var all []uint32
	seen := make(map[uint32]bool)
	for _, in := range f.instances {
		if !in.live {
			continue
		}
		for _, function := range in.module.facts.refs {
			if number := f.index(in.at(wasm.KindFunc, function)); !seen[number] {
				seen[number], all = true, append(all, number)
			}
		}
	}
	if len(all) > 0 {
		f.out.AddElements(wasm.ElementSegment{Mode: wasm.SegmentDeclares, Type: wasm.FuncRef, Functions: all})
	}
}

// rewrite returns a function's code with the indices of the result. Immutable globals
// become constants: code that is linked at any address reads its address from them.
func (f *fuser) rewrite(in *instance, to *translation, c wasm.Code) (wasm.Code, error) {
	var out []byte
	done := 0
	code := c.Instructions()
	for code.Next() {
		if code.IndexAt == 0 {
			continue
		}
		first, second := code.Op.Spaces()
		if first == wasm.SpaceNone || first == wasm.SpaceLocal {
			continue
		}
		if code.Op == wasm.OpGlobalGet {
			if v, ok := in.fixed(code.Index); ok {
				out = f.push(append(out, c.Expr[done:code.Start]...), v)
				done = code.End
				continue
			}
		}
		out = append(out, c.Expr[done:code.IndexAt]...)
		done = code.End
		number := to[first][code.Index]
		switch code.Op {
		case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
			out = wasm.AppendSigned(out, int64(number))
		case wasm.OpMemoryInit:
			out = append(wasm.AppendIndex(out, number), 0)
		default:
			out = wasm.AppendIndex(out, number)
			if second != wasm.SpaceNone {
				out = wasm.AppendIndex(out, to[second][code.Second])
			}
		}
	}
	if done > 0 {
		c.Expr = append(out, c.Expr[done:]...)
	}
	return c, code.Err()
}

// fixed returns the number in a global that nobody can change.
func (in *instance) fixed(global uint32) (value, bool) {
	d := in.at(wasm.KindGlobal, global)
	v := d.owner.globals[d.index]
	return v, !d.owner.module.Globals[d.index].Type.Mutable && v.typ.Code >= wasm.V128.Code
}
