package fuse

import (
	"math"

	"github.com/airhost/airhost/internal/wasm"
)

// alias names a function that a module of the graph defines.
type alias struct {
	owner *instance
	index uint32
}

// dropped is the number of a definition that the result does not have.
const dropped = math.MaxUint32

// longestChain bounds the trampolines that lead to each other.
const longestChain = 16

// shim is a table that only trampolines use.
type shim struct {
	table   alias
	slots   map[uint64]def
	callers []alias // the trampolines
	calls   []trampoline
	whole   bool // nothing but trampolines and segments that are written at once use it
}

// dissolve finds trampolines with a table that never changes, and makes their callers call
// the functions behind them. So wit-component's shims cost nothing: each import that passes
// through one would otherwise be a call through a table.
func (f *fuser) dissolve() {
	f.aliases, f.withoutTable = make(map[alias]def), make(map[alias]bool)
	shims := make(map[alias]*shim)
	for _, in := range f.instances {
		if !in.live {
			continue
		}
		for _, call := range in.module.facts.calls {
			table := in.at(wasm.KindTable, call.table)
			at := alias{table.owner, table.index}
			if shims[at] == nil {
				shims[at] = &shim{table: at, slots: make(map[uint64]def), whole: true}
			}
			shims[at].callers = append(shims[at].callers, alias{in, call.function})
			shims[at].calls = append(shims[at].calls, call)
		}
	}
	f.fillShims(shims)
	for _, s := range shims {
		if s.whole {
			f.aliasAll(s)
		}
	}
	for from := range f.aliases {
		if _, ok := f.follow(def{kind: wasm.KindFunc, owner: from.owner, index: from.index}); !ok {
			// Functions that only call each other, which ends when the stack does.
			f.aliases, f.withoutTable = nil, nil
			return
		}
	}
}

// fillShims finds the functions in the tables of shims, and the tables that may change
// later.
func (f *fuser) fillShims(shims map[alias]*shim) {
	touch := func(d def) *shim {
		s := shims[alias{d.owner, d.index}]
		if s == nil {
			return &shim{slots: make(map[uint64]def)}
		}
		return s
	}
	for _, d := range f.exports {
		if d.kind == wasm.KindTable {
			touch(d).whole = false
		}
	}
	for _, in := range f.instances {
		if !in.live {
			continue
		}
		for table := range in.module.facts.tables {
			touch(in.at(wasm.KindTable, table)).whole = false
		}
		for i, w := range in.written[0] {
			if w.target.owner == nil {
				continue
			}
			s := touch(w.target)
			e := &in.module.elements[i]
			if !w.fits || !f.atOnce(in, w) || e.Exprs != nil {
				s.whole = false
				continue
			}
			for place, function := range e.Functions {
				s.slots[w.at+uint64(place)] = in.at(wasm.KindFunc, function)
			}
		}
	}
}

// aliasAll lets the functions in a shim's table stand for its trampolines. If these were
// all that used the table, the result has neither.
func (f *fuser) aliasAll(s *shim) {
	all := true
	for i, from := range s.callers {
		to, ok := s.slots[uint64(s.calls[i].slot)]
		own := def{kind: wasm.KindFunc, owner: from.owner, index: from.index}
		if !ok || !f.typeOf(to).Equal(f.typeOf(own)) {
			all = false // it traps
			continue
		}
		f.aliases[from] = to
	}
	if all {
		f.withoutTable[s.table] = true
	}
}

// follow returns the function to name in place of d. It returns false for functions that
// lead to each other without an end.
func (f *fuser) follow(d def) (def, bool) {
	for range longestChain {
		to, ok := f.aliases[alias{d.owner, d.index}]
		if d.owner == nil || !ok {
			return d, true
		}
		d = to
	}
	return d, false
}
