package wasm

import (
	"errors"
	"slices"
)

// Sequence is two functions of a module, by their indices.
type Sequence struct{ First, Then uint32 }

// AddSequences adds a function for each sequence, which calls First, then Then with the
// results of First, and returns these results. It returns the index of the first new
// function; the others follow in order. If m shares memory with another module, that one does
// not change.
func (m *Module) AddSequences(all []Sequence) (from uint32, err error) {
	types := m.FuncTypes()
	from = uint32(len(types))
	m.Functions, m.Code = slices.Grow(slices.Clip(m.Functions), len(all)), slices.Grow(slices.Clip(m.Code), len(all))
	for _, s := range all {
		t, after := m.Types[types[s.First]], m.Types[types[s.Then]]
		if !slices.Equal(t.Results, after.Params) || len(after.Results) > 0 {
			return 0, errors.New("a post-return has another type than the function's result")
		}
		m.Functions, m.Code = append(m.Functions, types[s.First]), append(m.Code, sequence(t, s))
	}
	return from, nil
}

// sequence returns the code of a function for a sequence, of which t is the type of the
// first function.
func sequence(t FuncType, s Sequence) Code {
	var code []byte
	get := func(op Opcode, from, n int) {
		for i := range n {
			code = AppendIndex(append(code, byte(op)), uint32(from+i))
		}
	}
	results := len(t.Results)
	get(OpLocalGet, 0, len(t.Params))
	code = AppendIndex(append(code, byte(OpCall)), s.First)
	for i := range results {
		code = AppendIndex(append(code, byte(OpLocalSet)), uint32(len(t.Params)+results-1-i))
	}
	get(OpLocalGet, len(t.Params), results)
	code = AppendIndex(append(code, byte(OpCall)), s.Then)
	get(OpLocalGet, len(t.Params), results)
	c := Code{Groups: uint32(results), Locals: uint32(results), Expr: append(code, byte(OpEnd))}
	for _, r := range t.Results {
		c.Decls = AppendValueType(append(c.Decls, 1), r)
	}
	return c
}
