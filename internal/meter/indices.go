package meter

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// bounds has the numbers of functions, tables, globals, types and locals before
// Instrument adds to them. A larger index in the guest's code is refused: it would name
// an addition.
type bounds struct{ funcs, tables, globals, types, locals uint64 }

func boundsOf(m *wasm.Module) bounds {
	return bounds{
		funcs: uint64(m.Len(wasm.KindFunc)), tables: uint64(m.Len(wasm.KindTable)), globals: uint64(m.Len(wasm.KindGlobal)), types: uint64(len(m.Types)),
	}
}

// index checks an instruction's indices, and notes the index of a function, which may
// change. The code begins at offset in the module.
func (r *rewriter) index(in *wasm.Instructions, offset int) error {
	if in.Types() > r.types {
		return outOfRange(offset+in.Start, "type", in.Types()-1, r.types)
	}
	if in.IndexAt == 0 {
		return nil
	}
	if got, named := tableOf(in); named && got >= r.tables {
		return outOfRange(offset+in.IndexAt, "table", got, r.tables)
	}
	kind, count := r.space(in.Op)
	if kind != "" && uint64(in.Index) >= count {
		return outOfRange(offset+in.IndexAt, kind, uint64(in.Index), count)
	}
	if kind == "function" && in.Index >= r.first {
		r.edits = append(r.edits, edit{start: in.IndexAt, end: in.End, index: in.Index + 1})
	}
	return nil
}

// tableOf returns the largest table index of an instruction. named is false if the
// instruction has none.
func tableOf(in *wasm.Instructions) (index uint64, named bool) {
	first, second := in.Op.Spaces()
	if first == wasm.SpaceTable {
		index, named = uint64(in.Index), true
	}
	if second == wasm.SpaceTable {
		index, named = max(index, uint64(in.Second)), true
	}
	return index, named
}

// labels refuses branches to the end of a try_table. In the code that wazero 1.12
// compiles for them, the handlers stay in force, even for later code that reuses the
// stack.
func (r *rewriter) labels(in *wasm.Instructions, offset int) error {
	for _, l := range in.Labels {
		if r.blocks[len(r.blocks)-1-int(l)].try {
			return &wasm.FormatError{Offset: offset + in.Start,
				Msg: "expected no branch to the end of a try_table: put a block around its body and branch to that"}
		}
	}
	return nil
}

func outOfRange(offset int, kind string, got, count uint64) error {
	return &wasm.FormatError{Offset: offset, Msg: fmt.Sprintf("expected a %s index below %d, got %d", kind, count, got)}
}

// space returns the kind of thing that an instruction's index names, and the number of
// these in the original module. The kind is "" if Instrument adds none of them.
func (r *rewriter) space(op wasm.Opcode) (kind string, count uint64) {
	first, _ := op.Spaces()
	switch first {
	case wasm.SpaceFunc:
		count = r.funcs
	case wasm.SpaceGlobal:
		count = r.globals
	case wasm.SpaceLocal:
		count = r.locals
	case wasm.SpaceType:
		count = r.types
	default:
		return "", 0
	}
	return first.String(), count
}
