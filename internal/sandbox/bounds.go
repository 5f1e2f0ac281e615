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

// What a module may declare, beside what its component's limits bound and what
// package wasm reads. Engines take memory for each: 2^31 locals, declared in 6 bytes,
// cost wazero 18 GB.
const (
	maxLocals   = 50_000   // of a function, as in browsers
	maxTables   = 100      // each as large as limits.table_elements
	maxSegments = 100_000  // of data, and as many of elements; Wasmtime takes no more
	maxCode     = 24 << 20 // bytes of all functions
)

// What compiling may cost, in the units of the weights beside weigher: memory of at
// most 512 MiB, and a time that is in proportion to the code. Compilers keep all of a
// function in memory while they compile it, some 300 bytes a unit, and the machine code
// of all functions until the end, some 8 bytes a unit.
const (
	maxFunctionCost = 1_000_000  // of a function
	maxCost         = 50_000_000 // of all functions, and of the largest one more:
	heldAtOnce      = 27         // times what it costs, since all of it is held at once
	maxProducts     = 6_000_000  // of values times blocks, and blocks times blocks, of all functions
)

// withinBounds returns an error for a module that declares more than engines should
// be given, whose blocks are nested deeper than that, or that costs them too much to
// compile. The cost is for engines to choose how they compile it.
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

// total is what compiling the functions costs that one goroutine has weighed.
type total struct {
	linear, products int
	largest, at      int // cost of a function, and which
	longest          int // a function's instructions
	growsTables      bool
	err              error
	errAt            int
}

// cost is what compiling the module takes of memory.
func (t *total) cost() int { return t.linear + t.products + heldAtOnce*t.largest }

// compileCost bounds what compiling the code costs.
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

// weigh weighs all functions, on all processors.
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

// weigh takes functions until there are none left, some at a time.
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

// inFunction names the function that err is about.
func inFunction(m *wasm.Module, f int, err error) error {
	name := m.FuncName(uint32(f))
	if name == "" {
		return fmt.Errorf("function %d: %w", f, err)
	}
	return fmt.Errorf("function %d, %s: %w", f, quoteName(name), err)
}

// quoteName is a name that a module chose, escaped and cut.
func quoteName(name string) string {
	const most = 100 // bytes
	if len(name) <= most {
		return strconv.Quote(name)
	}
	return strconv.Quote(strings.ToValidUTF8(name[:most], "")) + "…"
}

// CompilationWorkers is how many of a module's functions an engine should compile at
// once: all processors are used unless functions are so large that this took more
// memory than one function may.
func (c *Code) CompilationWorkers() int {
	return max(1, min(runtime.GOMAXPROCS(0), maxFunctionCost/max(c.cost.largest, 1)))
}

// longFunction is how many instructions an optimizer is given at once: Cranelift's
// takes up to 5 KB and 80 µs for each where values are doubled again and again.
const longFunction = 25_000

// Long reports whether a function is so long that an engine whose optimizer takes much
// memory should compile it without.
func (c *Code) Long() bool { return c.cost.longest > longFunction }
