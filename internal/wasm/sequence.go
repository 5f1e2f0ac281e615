package wasm

import (
	"errors"
	"slices"
)

// AddSequence adds a function that calls one function, then another one with the results
// of the first, and returns these results. It returns the new function's index. If m
// shares memory with another module, that one does not change.
func (m *Module) AddSequence(first, then uint32) (uint32, error) {
	types := m.FuncTypes()
	t, after := m.Types[types[first]], m.Types[types[then]]
	if !slices.Equal(t.Results, after.Params) || len(after.Results) > 0 {
		return 0, errors.New("a post-return has another type than the function's result")
	}
	var code []byte
	get := func(op Opcode, from, n int) {
		for i := range n {
			code = AppendIndex(append(code, byte(op)), uint32(from+i))
		}
	}
	results := len(t.Results)
	get(OpLocalGet, 0, len(t.Params))
	code = AppendIndex(append(code, byte(OpCall)), first)
	for i := range results {
		code = AppendIndex(append(code, byte(OpLocalSet)), uint32(len(t.Params)+results-1-i))
	}
	get(OpLocalGet, len(t.Params), results)
	code = AppendIndex(append(code, byte(OpCall)), then)
	get(OpLocalGet, len(t.Params), results)
	c := Code{Groups: uint32(results), Locals: uint32(results), Expr: append(code, byte(OpEnd))}
	for _, r := range t.Results {
		c.Decls = AppendValueType(append(c.Decls, 1), r)
	}
	f := uint32(m.Len(KindFunc))
	m.Functions = append(slices.Clip(m.Functions), types[first])
	m.Code = append(slices.Clip(m.Code), c)
	return f, nil
}
