// Package meter makes WebAssembly modules interruptible, and their use of processor time
// countable, before an engine compiles them. Its tests are in package metertest.
//
// wazero cannot stop a running guest at a reasonable price. [Instrument] adds to the
// module's code a counter, which falls as the code runs, and a call of the host, yield,
// whenever the counter is below 0. A host uses it like this:
//
//	m, err := wasm.Parse(binary)             // and check the declarations of m
//	res, err := meter.Instrument(m, cfg)     // compile res.Module.Encode()
//	...                                      // provide yield, see below
//	...                                      // instantiate without start functions
//	mod.ExportedFunction(res.StartExport)    // first of all calls, if not ""
//
// # Why a countdown
//
// A flag that another goroutine sets and the guest's code tests is not cheaper, and it
// hangs. Go cannot preempt wazero's machine code. If a garbage collection begins while a
// guest spins, it waits for the guest, and the goroutine that would set the flag waits
// for the collection. If as many guests spin as Go uses processors, that goroutine never
// runs at all. A guest that calls the host every 50 µs lets Go collect,
// schedule and check the time in one place, and no other goroutine writes to the guest's
// memory.
//
// # The protocol
//
// The module imports the function [YieldName] from [YieldModule], of type (i64) -> i64.
// Its argument is the counter, n < 0. It returns the counter's new value, at least 0, or
// it panics with an error, which ends the guest's call. wazero returns an error that
// wraps the panic's, and no exception handler of the guest sees it. The instance is
// unusable then. Without Config.Fuel, yield is
//
//	if interrupted.Load() {
//		panic(errInterrupted)
//	}
//	return meter.Slice
//
// and calls need no preparation: a call goes on with the counter of the last call. With
// Config.Fuel, the host gives each call a budget before the call, while the module does
// not run:
//
//	granted := min(budget, meter.Slice)
//	pool := budget - granted
//	counter.Set(uint64(granted)) // Result.CounterGlobal
//
// and yield is
//
//	if interrupted.Load() {
//		panic(errInterrupted)
//	}
//	if n+pool < 0 {
//		panic(errFuel)
//	}
//	grant := min(pool, meter.Slice-n)
//	pool, granted = pool-grant, granted+grant
//	return n + grant
//
// At every time, also during yield and after a trap, the call has used granted - n fuel,
// where n is the counter. yield panics at the first test after the budget is used up,
// however large the slices are.
//
// With Config.Stack, the argument of yield is [TooDeep] when open calls need more of the
// stack than the host has granted, which is [StackSlice] at first. yield must check this
// first, and return the number of further bytes, or panic. A grant remains until the host
// sets the global [Result.StackGlobal] between two calls.
//
// # Tests and charges
//
// The code tests the counter
//
//   - at every function entry and loop header;
//   - before every instruction that may take long, for its size: bulk operations on
//     memories and tables, growing, atomic waits. Bulk operations are cut into pieces of
//     1 MiB with a test before each;
//   - where a path without a test has become dearer than 1024 fuel;
//   - where a function returns, if it has used more than 3 fuel since its last call.
//
// Leaves have no tests. A leaf is a function without loops and calls that costs less than
// 64 fuel; its callers count its fuel. A slice of fuel takes at most a millisecond of
// processor time, as testdata/costs.json shows. The time for growing, for first touches of
// memory pages, and in host functions comes on top.
//
// With Config.Fuel, the code charges for every segment, a straight piece of code, at its
// start and as a whole, even if an instruction in it traps or throws. The same module,
// input and Config use the same fuel on every engine, up to the place where a budget ends.
// [CostTable] has the costs. Without Config.Fuel, charges are an estimate: at headers, for
// the dearest path back to them, and where a path has become dearer than 64 fuel since the
// last charge.
//
// # Limitations
//
//   - The meter counts the stack bytes of an open call by its parameters, locals and
//     operands, and not by the engine's frame. wazero's frames may be larger. A function
//     that may have a much larger frame calls yield at every entry, where the host can
//     look at the stack, if it is able to.
//   - Branches to the end of a try_table are refused: wazero 1.12 leaves handlers in
//     force there. Branches to a block around it have the same effect.
//   - An atomic wait ends after 1 ms as timed out, even if its timeout is longer.
//   - Without Config.Stack, only the engine's stack bounds the number of functions that
//     return one after the other.
package meter

import (
	"errors"
	"fmt"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// The function that the instrumented module imports, of type (i64) -> i64.
const (
	YieldModule = "airhost:meter"
	YieldName   = "yield"
)

// Slice is the counter's value after yield, in fuel: about 5 µs of usual code until the
// next yield.
const Slice = 20_000

// ErrReservedImport is returned for a module that imports from YieldModule: only code
// that Instrument adds may do so.
var ErrReservedImport = errors.New("imports from " + YieldModule + ", which is reserved for the host's own use")

// Config selects the code that Instrument adds. The zero value is for interruption only.
type Config struct {
	// Fuel makes the counter exact, so that the host knows the fuel that was used.
	// Otherwise it is an estimate, which costs less time.
	Fuel bool

	// MaxTableElements is the largest number of elements in a table; 0 stands for
	// the maximum that the module declares.
	MaxTableElements uint32

	// Stack counts the stack bytes of open calls of the module's functions, so that
	// a host can bound them at the same place on every engine. A call takes 32
	// bytes, and 8 for each parameter, local and operand, or 16 in functions that
	// compute with vectors. Leaves take none.
	Stack bool
}

// Result is an instrumented module and the names of the exports that Instrument has
// added. No other export of the module has these names.
type Result struct {
	// Module is the instrumented module. It shares memory with the original module.
	Module *wasm.Module

	// CounterGlobal is the name of a mutable i64 global, initially 0: the fuel that
	// the module may use before it calls yield. The host may read and set it while
	// the module does not run.
	CounterGlobal string

	// StackGlobal is the name of a mutable i64 global, initially [StackSlice]: the
	// stack bytes that are left of the host's grants. The host may set it while no
	// call is in progress. It is "" without Config.Stack.
	StackGlobal string

	// RefusedGlobal is the name of a mutable i32 global: the pages that the module's
	// last memory.grow asked for, if it was refused, else 0. It is "" if the module
	// has no memory.grow.
	RefusedGlobal string

	// StartExport is the name of the module's start function, of type () -> (). The
	// engine does not call it any more: the host must call it, before all other
	// functions. It is "" if the module has no start function.
	StartExport string
}

// Instrument returns m with added checks. It does not change m. Its errors are
// [*LimitError] for a declaration beyond the limits, [*wasm.FormatError] for an unknown
// or malformed instruction, [*wasm.UnsupportedError], and [ErrReservedImport].
func Instrument(m *wasm.Module, cfg Config) (*Result, error) {
	for i := range m.Imports {
		if m.Imports[i].Module == YieldModule {
			return nil, fmt.Errorf("import %d (%q): %w", i, m.Imports[i].Name, ErrReservedImport)
		}
	}
	out := *m
	if err := Bound(&out, cfg); err != nil {
		return nil, err
	}
	out.Customs = keptCustoms(m.Customs)
	res := &Result{Module: &out}
	if err := add(m, &out, cfg, res); err != nil {
		return nil, err
	}
	return res, nil
}

// add makes all additions to out, a copy of m.
func add(m, out *wasm.Module, cfg Config, res *Result) error {
	yield := out.AddFuncImport(YieldModule, YieldName, typeIndex(out, YieldType))
	refill, counter := uint32(out.Len(wasm.KindFunc)), out.AddGlobal(wasm.I64, []byte{opI64Const, 0})
	r := newRewriter(m)
	r.first, r.exact = yield, cfg.Fuel
	if cfg.Stack {
		r.calls = newDepth(out)
	}
	r.plain = newChecks(counter, refill)
	r.entryTest = r.plain.entryTest(r.calls)
	r.slow = slowOf(m, out, r.plain, refill+1)
	if err := r.slow.references(m); err != nil {
		return err
	}
	if err := r.rewrite(m, out); err != nil {
		return err
	}
	out.Functions = append(slices.Clip(m.Functions), typeIndex(out, wasm.FuncType{}))
	out.Code = append(out.Code, r.plain.refill(yield, r.calls))
	res.RefusedGlobal = r.slow.add()
	res.CounterGlobal = out.Export("airhost:counter", wasm.KindGlobal, counter)
	if cfg.Stack {
		res.StackGlobal = out.Export("airhost:stack", wasm.KindGlobal, r.calls.global)
	}
	if out.Start != nil {
		res.StartExport = out.FreeName("airhost:start")
		out.ExportStart(res.StartExport)
	}
	return nil
}

// YieldType is the type of the imported function.
var YieldType = wasm.FuncType{Params: []wasm.ValueType{wasm.I64}, Results: []wasm.ValueType{wasm.I64}}

// typeIndex returns the index of a type that equals t. It adds the type if m has none.
// Members of recursive groups never equal t.
func typeIndex(m *wasm.Module, t wasm.FuncType) uint32 {
	for i := 0; i < len(m.Types); i += max(int(m.Types[i].Rec), 1) {
		if m.Types[i].Rec == 0 && m.Types[i].Equal(t) {
			return uint32(i)
		}
	}
	m.Types = append(slices.Clip(m.Types), t)
	return uint32(len(m.Types) - 1)
}
