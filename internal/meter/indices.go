package meter

import (
	"fmt"

	"github.com/airhost/airhost/internal/wasm"
)

// bounds are how much there is of what Instrument adds to. Indices beyond them
// are refused: they would mean what was added.
type bounds struct{ funcs, tables, globals, types, locals uint64 }

func boundsOf(m *wasm.Module) bounds {
	return bounds{
		funcs: uint64(m.Len(wasm.KindFunc)), tables: uint64(m.Len(wasm.KindTable)), globals: uint64(m.Len(wasm.KindGlobal)), types: uint64(len(m.Types)),
	}
}

// index checks an instruction's indices, and notes the one of a function, which
// changes. The code begins at offset in the module.
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
	what, count := r.space(in.Op)
	if what != "" && uint64(in.Index) >= count {
		return outOfRange(offset+in.IndexAt, what, uint64(in.Index), count)
	}
	if what == "function" && in.Index >= r.first {
		r.edits = append(r.edits, edit{start: in.IndexAt, end: in.End, index: in.Index + 1})
	}
	return nil
}

// tableOf returns the largest index of a table that an instruction names, and whether
// it names one.
func tableOf(in *wasm.Instructions) (index uint64, named bool) {
	switch in.Op {
	case opTableGet, opTableSet, opTableGrow, opTableSize, opTableFill:
		return uint64(in.Index), true
	case wasm.OpCallIndirect, wasm.OpReturnCallIndirect, opTableInit:
		return uint64(in.Second), true
	case opTableCopy:
		return uint64(max(in.Index, in.Second)), true
	}
	return 0, false
}

// labels refuses branches to the end of a try_table. wazero 1.12 compiles them
// so that its handlers stay in force, also for code that reuses the stack.
func (r *rewriter) labels(in *wasm.Instructions, offset int) error {
	for _, l := range in.Labels {
		if r.blocks[len(r.blocks)-1-int(l)].try {
			return &wasm.FormatError{Offset: offset + in.Start,
				Msg: "expected no branch to the end of a try_table: put a block around its body and branch to that"}
		}
	}
	return nil
}

func outOfRange(offset int, what string, got, count uint64) error {
	return &wasm.FormatError{Offset: offset, Msg: fmt.Sprintf("expected a %s index below %d, got %d", what, count, got)}
}

// space returns what the index of an instruction counts and how many there are
// in the module as it was, or "" if nothing is added to them.
func (r *rewriter) space(op wasm.Opcode) (what string, count uint64) {
	switch op {
	case wasm.OpCall, wasm.OpReturnCall, wasm.OpRefFunc:
		return "function", r.funcs
	case wasm.OpGlobalGet, wasm.OpGlobalSet:
		return "global", r.globals
	case wasm.OpLocalGet, wasm.OpLocalSet, wasm.OpLocalTee:
		return "local", r.locals
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpTryTable, wasm.OpCallIndirect,
		wasm.OpReturnCallIndirect, wasm.OpCallRef, wasm.OpReturnCallRef:
		return "type", r.types
	}
	return "", 0
}
