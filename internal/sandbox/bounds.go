package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// Bounds of a module's declarations that neither the component's limits nor package
// wasm bounds. Engines allocate memory for each declaration: 2^31 locals, declared
// in 6 bytes, cost wazero 18 GB.
const (
	maxLocals   = 50_000   // per function, as in browsers
	maxTables   = 100      // each table is as large as limits.table_elements
	maxSegments = 100_000  // of data, and as many of elements; Wasmtime supports no more
	maxCode     = 24 << 20 // bytes of all functions together
)

// Bounds of the cost of compiling, in the unit that weigher uses. They keep memory
// below 640 MiB, and time in proportion to the code. A compiler keeps a whole
// function in memory while it compiles it, about 300 bytes a unit, and the machine
// code of all functions until the end, about 8 bytes a unit.
const (
	maxFunctionCost = 1_000_000  // of one function
	maxCost         = 57_000_000 // of all functions, plus heldAtOnce times the largest one
	heldAtOnce      = 27         // the largest function counts more, since all of it is in memory at once
	maxProducts     = 8_000_000  // of values times blocks, and blocks times blocks, of all functions
)

// withinBounds returns an error if a module declares more than an engine should get,
// if its blocks are nested deeper than nesting, or if it is too expensive to
// compile. The engine chooses by the cost how to compile the module.
func withinBounds(m *wasm.Module, nesting int) (cost total, err error) {
	if n := m.Len(wasm.KindTable); n > maxTables {
		return cost, &core.LimitError{Limit: "tables", Got: uint64(n), Max: maxTables}
	}
	if n := m.Data.Count; n > maxSegments {
		return cost, &core.LimitError{Limit: "data segments", Got: uint64(n), Max: maxSegments}
	}
	if n := m.Elements.Count; n > maxSegments {
		return cost, &core.LimitError{Limit: "element segments", Got: uint64(n), Max: maxSegments}
	}
	first, bytes := m.Len(wasm.KindFunc)-len(m.Functions), 0
	for i := range m.Code {
		if bytes += len(m.Code[i].Expr); bytes > maxCode {
			return cost, &core.LimitError{Limit: "code", Got: uint64(bytes), Max: maxCode, Unit: "bytes"}
		}
		if n := m.Code[i].Locals; n > maxLocals {
			return cost, inFunction(m, first+i, &core.LimitError{Limit: "locals", Got: uint64(n), Max: maxLocals})
		}
	}
	return compileCost(m, first, nesting)
}

// total is the sum of the compile costs of the functions that one goroutine has
// weighed.
type total struct {
	linear, products int
	largest, at      int // cost and index of the most expensive function
	longest          int // instructions of the longest function
	growsTables      bool
	err              error
	errAt            int
}

// cost is the memory that compiling the module takes, in the unit of the weights.
func (t *total) cost() int { return t.linear + t.products + heldAtOnce*t.largest }

// compileCost returns the cost of compiling the code, and an error if it is too
// high.
func compileCost(m *wasm.Module, first, nesting int) (sum total, err error) {
	sum = weigh(m, first, nesting)
	switch {
	case sum.err != nil:
		err = sum.err
		if errors.As(err, new(*core.LimitError)) {
			err = inFunction(m, sum.errAt, err)
		}
	case sum.largest > maxFunctionCost:
		err = inFunction(m, sum.at, &core.LimitError{Limit: "compile cost of a function", Got: uint64(sum.largest), Max: maxFunctionCost})
	case sum.cost() > maxCost:
		err = &core.LimitError{Limit: "compile cost", Got: uint64(sum.cost()), Max: maxCost}
	case sum.products > maxProducts:
		err = &core.LimitError{Limit: "compile cost of branches and values", Got: uint64(sum.products), Max: maxProducts}
	}
	return sum, err
}

// weigh adds up the cost of all functions. It uses all processors.
func weigh(m *wasm.Module, first, nesting int) total {
	totals := make([]total, runtime.GOMAXPROCS(0))
	var next atomic.Int64
	var all sync.WaitGroup
	types, globals := m.CodeTypes(), mutableGlobals(m)
	for i := range totals {
		all.Go(func() {
			w := weigher{types: types, globals: globals, nesting: nesting}
			totals[i].weigh(m, &w, first, &next)
		})
	}
	all.Wait()
	sum := total{}
	for _, t := range totals {
		sum.add(t)
	}
	return sum
}

// weigh takes a few functions at a time from the shared counter next, until all are
// weighed.
func (t *total) weigh(m *wasm.Module, w *weigher, first int, next *atomic.Int64) {
	const some = 16
	for {
		from := int(next.Add(some)) - some
		if from >= len(m.Code) {
			return
		}
		for i := from; i < min(from+some, len(m.Code)); i++ {
			if err := w.function(uint32(first+i), &m.Code[i]); err != nil {
				t.err, t.errAt = err, first+i
				return
			}
			t.add(total{linear: w.linear, products: w.products, largest: w.cost(), at: first + i, longest: w.instructions, growsTables: w.growsTables})
		}
	}
}

func (t *total) add(o total) {
	t.linear += o.linear
	t.products += o.products
	if o.largest > t.largest {
		t.largest, t.at = o.largest, o.at
	}
	t.longest = max(t.longest, o.longest)
	t.growsTables = t.growsTables || o.growsTables
	if o.err != nil && (t.err == nil || o.errAt < t.errAt) {
		t.err, t.errAt = o.err, o.errAt
	}
}

func mutableGlobals(m *wasm.Module) (n int) {
	for i := range m.Globals {
		if m.Globals[i].Type.Mutable {
			n++
		}
	}
	return n
}

// inFunction adds the function's index and name to err.
func inFunction(m *wasm.Module, f int, err error) error {
	name := m.FuncName(uint32(f))
	if name == "" {
		return fmt.Errorf("function %d: %w", f, err)
	}
	return fmt.Errorf("function %d, %s: %w", f, quoteName(name), err)
}

// quoteName quotes and shortens a name that comes from a module.
func quoteName(name string) string {
	const most = 100 // bytes
	if len(name) <= most {
		return strconv.Quote(name)
	}
	return strconv.Quote(strings.ToValidUTF8(name[:most], "")) + "…"
}

// CompilationWorkers is the number of functions of this module that an engine should
// compile at once. It is the number of processors, or fewer if the functions are so
// large that more of them would take more memory than one function is allowed.
func (c *Code) CompilationWorkers() int {
	return max(1, min(runtime.GOMAXPROCS(0), maxFunctionCost/max(c.cost.largest, 1)))
}

// longFunction is the most instructions that an optimizer should get in one
// function. Cranelift's optimizer takes up to 5 KB and 80 µs for each instruction in
// code that doubles values again and again.
const longFunction = 25_000

// Long reports whether the module has a function so long that an engine should
// compile the module without an optimizer, to save memory.
func (c *Code) Long() bool { return c.cost.longest > longFunction }
