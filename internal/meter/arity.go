package meter

import "github.com/airhost/airhost/internal/wasm"

// arities has the numbers of values that instructions carry: from the top of the operand
// stack to the place that a label, a callee or a caller expects. A vector counts as two.
type arities struct {
	params, results []int64  // of each type
	funcTypes       []uint32 // the type of each function
	tagTypes        []uint32 // the type of each tag
}

func aritiesOf(m *wasm.Module) *arities {
	a := &arities{funcTypes: m.FuncTypes()}
	for i := range m.Types {
		a.params = append(a.params, width(m.Types[i].Params))
		a.results = append(a.results, width(m.Types[i].Results))
	}
	for i := range m.Imports {
		if m.Imports[i].Kind == wasm.KindTag {
			a.tagTypes = append(a.tagTypes, m.Imports[i].Type)
		}
	}
	a.tagTypes = append(a.tagTypes, m.Tags...)
	return a
}

func width(types []wasm.ValueType) int64 {
	n := int64(len(types))
	for _, t := range types {
		if t == wasm.V128 {
			n++
		}
	}
	return n
}

// block returns the numbers of values that the block of in takes and returns. code is
// the function's code, which has in.
func (a *arities) block(in *wasm.Instructions, code []byte) (params, results int64) {
	switch typ := code[in.Start+1]; {
	case in.IndexAt > 0:
		return a.params[in.Index], a.results[in.Index]
	case typ == noType:
		return 0, 0
	case typ == wasm.V128.Code:
		return 0, 2
	}
	return 0, 1
}

// callee returns the numbers of values that the callee of in takes and returns.
func (a *arities) callee(in *wasm.Instructions) (params, results int64) {
	typ := in.Index
	if in.Op == wasm.OpCall || in.Op == wasm.OpReturnCall {
		typ = a.funcTypes[in.Index]
	}
	return a.params[typ], a.results[typ]
}

// thrown returns the number of values in an exception of a tag. If the tag does not
// exist, the engine refuses the module later, since Instrument adds no tags.
func (a *arities) thrown(tag uint32) int64 {
	if uint64(tag) >= uint64(len(a.tagTypes)) || uint64(a.tagTypes[tag]) >= uint64(len(a.params)) {
		return 0
	}
	return a.params[a.tagTypes[tag]]
}
