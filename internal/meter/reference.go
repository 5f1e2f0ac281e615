package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// MaxReferences is how many different functions a module's code may take references
// to: each has a place in a table that is added.
const MaxReferences = 10_000

// references makes a function for each ref.func of m's code that differs, which takes
// the reference once and keeps it in a table. wazero allocates a new reference at each
// ref.func, which lives as long as the instance: a loop of them would take all memory.
// Modules with typed references, which would lose their types, are left as they are.
func (s *slow) references(m *wasm.Module) error {
	at := uint32(m.Len(wasm.KindTable))
	var kept uint32
	for i := range m.Code {
		if !slices.Contains(m.Code[i].Expr, byte(wasm.OpRefFunc)) {
			continue
		}
		in := m.Code[i].Instructions()
		for in.Next() {
			if in.Op != wasm.OpRefFunc {
				continue
			}
			op := m.Code[i].Expr[in.Start:in.End]
			if _, ok := s.funcs[string(op)]; ok {
				continue
			}
			if kept == 0 && typedReferences(m) {
				return nil
			}
			if kept == MaxReferences {
				return &LimitError{LimitReferences, 0, MaxReferences + 1, MaxReferences}
			}
			s.take(op, wasm.FuncType{Results: []wasm.ValueType{wasm.FuncRef}}, s.reference(in.Index, at, kept))
			kept++
		}
	}
	if kept > 0 {
		size := wasm.Limits{Min: uint64(kept), Max: uint64(kept), HasMax: true}
		s.module.Tables = append(slices.Clip(s.module.Tables), wasm.Table{Elem: wasm.FuncRef, Limits: size})
	}
	return nil
}

// reference returns a body that returns a reference to function f from its place in a
// table, to which it is taken first if need be.
func (s *slow) reference(f, table, place uint32) wasm.Code {
	if f >= s.imports {
		f++ // yield comes before it
	}
	where := wasm.AppendSigned([]byte{opI32Const}, int64(place))
	kept := index(slices.Clone(where), opTableGet, table)
	return wasm.Code{Expr: slices.Concat(
		kept, []byte{opRefIsNull, opIf, noType}, where, index(nil, byte(wasm.OpRefFunc), f), index(nil, opTableSet, table), []byte{opEnd},
		kept, []byte{opEnd},
	)}
}

// typedReferences reports whether code uses references that have a function's type.
func typedReferences(m *wasm.Module) bool {
	for i := range m.Code {
		in := m.Code[i].Instructions()
		for in.Next() {
			switch in.Op {
			case wasm.OpCallRef, wasm.OpReturnCallRef, wasm.OpBrOnNull, wasm.OpBrOnNonNull, opRefAsNonNull:
				return true
			}
		}
		if in.Types() > 0 {
			return true
		}
	}
	return false
}
