// Package meter makes WebAssembly modules interruptible, and their use of
// processor time countable, before an engine compiles them.
//
// wazero cannot stop a running guest at a reasonable price. [Instrument] adds
// what is missing to the module's code: a counter that falls as the code runs,
// and a call of the host, yield, whenever it is below 0. A host uses it so:
//
//	m, err := wasm.Parse(binary)             // and check what m declares
//	res, err := meter.Instrument(m, cfg)     // compile res.Module.Encode()
//	...                                      // provide yield, see below
//	...                                      // instantiate without start functions
//	mod.ExportedFunction(res.StartExport)    // first of all calls, if not ""
//
// # Why a countdown
//
// A flag that another goroutine sets and the guest's code tests is no cheaper,
// and it hangs: wazero's machine code cannot be preempted, so that a garbage
// collection that begins while a guest spins waits for the guest, while the
// goroutine that would set the flag waits for the collection. As many spinning
// guests as there are processors do the same without a collection. A guest that
// calls the host every 50 µs lets Go collect, schedule and look at its watch, all
// in one place, and no memory of the guest is written by another goroutine.
//
// # The protocol
//
// The module imports the function [YieldName] from [YieldModule], of type (i64)
// -> i64. It is given the counter, n < 0, and returns what the counter becomes,
// at least 0. Or it panics with an error, which ends the guest's call: wazero
// returns an error that wraps it, and no exception handler of the guest sees it.
// An instance that ended so is unusable. Without Config.Fuel, yield is
//
//	if interrupted.Load() {
//		panic(errInterrupted)
//	}
//	return meter.Slice
//
// and calls need no preparation: the counter carries over. With Config.Fuel,
// before a call with a budget of fuel, while the module does not run:
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
// At every time, during yield and after a trap as well, the call has used
// granted - n fuel, where n is the counter. So yield panics at the first test at
// which more than the budget is used, whatever the slices are.
//
// With Config.Stack, yield is given [TooDeep] when open calls need more of the stack
// than they were granted, which is [StackSlice] at first. It must look at this first, and
// return how many bytes more it grants, or panic. What was granted stays granted,
// until the host sets the global [Result.StackGlobal] anew between two calls.
//
// # What is tested and charged
//
// The counter is tested at every function entry and loop header, before and for
// the size of every instruction that may take long (bulk memory and table
// instructions, growing, atomic waits), wherever a way through the code without a
// test has become dearer than 1024 fuel, and where a function returns that has done
// more than a little since its last call. Leaves, functions without loops and calls
// that cost less than 64 fuel, have no test: their callers have, and count them. Bulk
// instructions are cut into pieces of 1 MiB with a test before each. So a slice of
// fuel takes a millisecond of processor time at most, as testdata/costs.json shows,
// apart from growing, from pages of memory that are touched first, and from what a
// host function does.
//
// With Config.Fuel, every segment is charged: a straight piece of code, as a
// whole, at its start, even if an instruction in it traps or throws. The same
// module, input and Config use the same fuel on every engine, up to the place
// where a budget ends. [CostTable] has the costs. Without, charges are an
// estimate of the same: at headers, for the dearest way back to them, and where
// a way has become dearer than 64 since the last charge.
//
// # Limitations
//
//   - The bytes of the stack are the meter's: for each open call what its parameters,
//     locals and operands take, whatever an engine makes of them. wazero's frames may
//     be larger; functions of which that can be much call yield whenever they are
//     entered, where a host that can see the stack looks at it.
//   - Branches to the end of a try_table are refused: wazero 1.12 leaves handlers
//     in force there. Branches to a block around it are as good.
//   - An atomic wait ends after 1 ms, as timed out, whatever its timeout is.
//   - Without Config.Stack, nothing but the engine's stack bounds how many
//     functions return one after the other.
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

// Slice is what yield brings the counter up to, in fuel: some 5 µs of usual
// code, until it is called again.
const Slice = 20_000

// ErrReservedImport is returned for a module that imports from YieldModule by
// itself: that is for what Instrument adds.
var ErrReservedImport = errors.New("imports from " + YieldModule + ", which is reserved for the host's own use")

// Config says what Instrument adds. The zero value is for interruption only.
type Config struct {
	// Fuel makes the counter exact, so that it says how much fuel was used.
	// Without, it is an estimate that costs less to keep.
	Fuel bool

	// MaxTableElements is how many elements each table may have, 0 for as many
	// as the module declares.
	MaxTableElements uint32

	// Stack counts what open calls of the module's functions take of the stack, in
	// bytes, so that a host can bound it at the same place on every engine: 8 for
	// each parameter, local and operand, 16 in functions that compute with vectors,
	// and 32. Functions that only compute and are short count nothing.
	Stack bool
}

// Result is an instrumented module and the names by which the host reaches
// what was added. No other export of the module has these names.
type Result struct {
	// Module is the instrumented module. It shares with the one that it was made
	// of what is the same in both.
	Module *wasm.Module

	// CounterGlobal names a mutable i64 global, initially 0: the fuel that may
	// be used before the module calls yield. The host may touch it while the
	// module does not run.
	CounterGlobal string

	// StackGlobal names a mutable i64 global, initially [StackSlice]: the bytes that
	// are left of what was granted of the stack. "" without Config.Stack. While no call is in
	// progress the host may set it.
	StackGlobal string

	// RefusedGlobal names a mutable i32 global: how many pages the module's last
	// memory.grow has asked for, if it was refused, else 0. "" if the module has no
	// memory.grow.
	RefusedGlobal string

	// StartExport names the module's start function, of type () -> (), which
	// the engine no longer calls by itself: the host must, before all other
	// calls. "" if the module has none.
	StartExport string
}

// Instrument returns m with checks added. It does not change m. Errors are a
// [*LimitError] for what a module declares beyond the limits, a
// [*wasm.FormatError] for instructions that are unknown or broken, a
// [*wasm.UnsupportedError], or
// [ErrReservedImport].
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

// add adds to out, a copy of m, all that there is to be added.
func add(m, out *wasm.Module, cfg Config, res *Result) error {
	yield := out.AddFuncImport(YieldModule, YieldName, typeIndex(out, YieldType))
	refill, counter := uint32(out.Len(wasm.KindFunc)), addGlobal(out, wasm.I64, []byte{opI64Const, 0})
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
	res.CounterGlobal = exportGlobal(out, "airhost:counter", counter)
	if cfg.Stack {
		res.StackGlobal = exportGlobal(out, "airhost:stack", r.calls.global)
	}
	if out.Start != nil {
		res.StartExport = freeName(out, "airhost:start")
		out.ExportStart(res.StartExport)
	}
	return nil
}

// addGlobal adds a mutable global that starts as what init pushes.
func addGlobal(m *wasm.Module, typ wasm.ValueType, init []byte) uint32 {
	m.Globals = append(slices.Clip(m.Globals), wasm.Global{
		Type: wasm.GlobalType{Value: typ, Mutable: true}, Init: append(init, opEnd)})
	return uint32(m.Len(wasm.KindGlobal)) - 1
}

// YieldType is the type of the imported function.
var YieldType = wasm.FuncType{Params: []wasm.ValueType{wasm.I64}, Results: []wasm.ValueType{wasm.I64}}

// typeIndex returns the index of a type that equals t, which it adds if need
// be. Members of recursive groups are types of their own.
func typeIndex(m *wasm.Module, t wasm.FuncType) uint32 {
	for i := 0; i < len(m.Types); i += max(int(m.Types[i].Rec), 1) {
		if m.Types[i].Rec == 0 && m.Types[i].Equal(t) {
			return uint32(i)
		}
	}
	m.Types = append(slices.Clip(m.Types), t)
	return uint32(len(m.Types) - 1)
}

// exportGlobal exports a global under a name that m does not have, the wanted one or
// one like it, and returns it.
func exportGlobal(m *wasm.Module, want string, index uint32) string {
	name := freeName(m, want)
	m.Exports = append(slices.Clip(m.Exports), wasm.Export{Name: name, Kind: wasm.KindGlobal, Index: index})
	return name
}

// freeName returns the wanted name of an export or, if m has that already, one like it.
func freeName(m *wasm.Module, want string) string {
	taken := make(map[string]bool, len(m.Exports))
	for _, e := range m.Exports {
		taken[e.Name] = true
	}
	name := want
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", want, i)
	}
	return name
}
