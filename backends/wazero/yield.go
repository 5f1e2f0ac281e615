package wazero

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// budget is what a guest may still run. Its code counts down a global, and calls
// yield when that is used up: there it is stopped if need be, and there Go's
// scheduler and garbage collector get their turn, which machine code would not
// give them. A counter is filled up in slices; what the fuel's limit leaves for
// later slices is in rest.
//
// The zero value is a budget without a limit.
type budget struct {
	counter api.MutableGlobal // nil without a limit
	limit   int64             // for one call
	rest    int64
}

// reset gives a new call its fuel.
func (b *budget) reset() {
	first := min(b.limit, meter.Slice)
	b.rest = b.limit - first
	b.counter.Set(uint64(first))
}

// refill returns what the counter becomes, given that it has fallen to n, below
// 0; or false where all is used up.
func (b *budget) refill(n int64) (int64, bool) {
	if b.counter == nil {
		return meter.Slice, true
	}
	if n+b.rest < 0 {
		return 0, false
	}
	grant := min(b.rest, meter.Slice-n)
	b.rest -= grant
	return n + grant, true
}

// clampFuel returns a limit that the counter can hold.
func clampFuel(fuel uint64) int64 { return int64(min(fuel, math.MaxInt64)) }

var errTooDeep = &core.TrapError{Kind: core.TrapStack, Text: fmt.Sprintf("more than %d calls were open", maxCallDepth)}

// yield is what instrumented code imports.
func yield(ctx context.Context, stack []uint64) {
	g := ctx.(*guest)
	left := int64(stack[0])
	if left == meter.TooDeep {
		panic(errTooDeep)
	}
	g.goOn()
	next, ok := g.budget.refill(left)
	if !ok {
		panic(&core.TrapError{Kind: core.TrapFuel, Text: "it used up its fuel"})
	}
	stack[0] = uint64(next)
}

// goOn leaves the guest's code if it must not go on.
func (g *guest) goOn() {
	if g.interrupted.Load() || g.overdue() {
		panic(errInterrupted)
	}
}

// longBytes take about as long to copy as it takes to look at the watch ten times.
const longBytes = 4 << 10

// pass is for host functions that take as long as n bytes are many: a guest that
// does little else would not yield for a second.
func (g *guest) pass(n int) {
	if n >= longBytes {
		g.goOn()
	}
}

// overdue reports whether a call has outlived its handler time, by the call's own
// watch: who would interrupt it may not get a processor for 10 or 20 ms where
// guests keep all of them busy. The watch starts when it is looked at first,
// which short calls never do.
func (g *guest) overdue() bool {
	now := time.Since(began)
	if g.yielded == 0 {
		g.yielded = now
	}
	return now-g.yielded > g.env.Limits.HandlerTime
}

func linkYield(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(meter.YieldModule)
	b.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(yield), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export(meter.YieldName)
	_, err := b.Instantiate(ctx)
	return err
}
