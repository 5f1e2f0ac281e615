package meter

import (
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// MaxReferences is the largest number of different functions in the ref.func
// instructions of a module. Each takes an element of an added table.
const MaxReferences = 10_000

// references makes a function for each different ref.func in m's code. The function
// takes the reference once, and keeps it in a table. wazero allocates a new reference at
// each ref.func, and keeps it as long as the instance: a loop with a ref.func would use
// up all memory. A module with typed references does not change, since they would lose
// their types.
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

// reference returns the body of a function that returns a reference to function f. The
// body keeps the reference at a place in a table.
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

// typedReferences reports whether m's code uses references with the type of a function.
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
