package corpus

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// vectorExports returns the exported functions that take or return vectors.
func vectorExports(m *wasm.Module) []wasm.Export {
	var all []wasm.Export
	types := m.FuncTypes()
	for _, e := range m.Exports {
		if e.Kind != wasm.KindFunc {
			continue
		}
		typ := m.Types[types[e.Index]]
		if slices.Contains(typ.Params, wasm.V128) || slices.Contains(typ.Results, wasm.V128) {
			all = append(all, e)
		}
	}
	return all
}

// functionType returns the type of an exported function.
func functionType(m *wasm.Module, export string) (wasm.FuncType, bool) {
	for _, e := range m.Exports {
		if e.Name == export && e.Kind == wasm.KindFunc {
			return m.Types[m.FuncTypes()[e.Index]], true
		}
	}
	return wasm.FuncType{}, false
}

// withoutVectors returns the types with each vector replaced by two numbers.
func withoutVectors(types []wasm.ValueType) []wasm.ValueType {
	var all []wasm.ValueType
	for _, t := range types {
		if t == wasm.V128 {
			all = append(all, wasm.I64)
			t = wasm.I64
		}
		all = append(all, t)
	}
	return all
}

// adapter returns a module that imports m's functions with vectors and exports each
// under its own name, with two numbers in place of a vector: the lower half first.
// It returns nil if m has no such functions.
func adapter(m *wasm.Module) []byte {
	exports, types := vectorExports(m), m.FuncTypes()
	if len(exports) == 0 {
		return nil
	}
	out := &wasm.Module{}
	for i, e := range exports {
		typ := m.Types[types[e.Index]]
		adapted := wasm.FuncType{Params: withoutVectors(typ.Params), Results: withoutVectors(typ.Results)}
		out.Types = append(out.Types, wasm.FuncType{Params: typ.Params, Results: typ.Results}, adapted)
		out.Imports = append(out.Imports, wasm.Import{Module: "adapted", Name: e.Name, Kind: wasm.KindFunc, Type: uint32(2 * i)})
		out.Functions = append(out.Functions, uint32(2*i+1))
		out.Code = append(out.Code, adapt(uint32(i), typ))
		out.Exports = append(out.Exports, wasm.Export{Name: e.Name, Kind: wasm.KindFunc, Index: uint32(len(exports) + i)})
	}
	return out.Encode()
}

// Opcodes of adapters and stubs.
const (
	opEnd      = 0x0b
	opCall     = 0x10
	opLocalGet = 0x20
	opLocalSet = 0x21
	opVector   = 0xfd
)

// adapt returns the code of an adapter function that calls f.
func adapt(f uint32, typ wasm.FuncType) wasm.Code {
	var out []byte
	local := func(op byte, n int) { out = wasm.AppendIndex(append(out, op), uint32(n)) }
	n := 0
	for _, t := range typ.Params {
		local(opLocalGet, n)
		if n++; t == wasm.V128 {
			out = append(out, opVector, 0x12) // i64x2.splat
			local(opLocalGet, n)
			out = append(out, opVector, 0x1e, 1) // i64x2.replace_lane
			n++
		}
	}
	local(opCall, int(f))
	var decls []byte
	for i := len(typ.Results) - 1; i >= 0; i-- {
		local(opLocalSet, n+i)
	}
	for i, t := range typ.Results {
		decls = wasm.AppendValueType(append(decls, 1), t)
		local(opLocalGet, n+i)
		if t == wasm.V128 {
			out = append(out, opVector, 0x1d, 0) // i64x2.extract_lane
			local(opLocalGet, n+i)
			out = append(out, opVector, 0x1d, 1)
		}
	}
	return wasm.Code{Groups: uint32(len(typ.Results)), Decls: decls, Expr: append(out, opEnd)}
}
