package sandbox

import (
	"cmp"
	"fmt"
	"math"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// Budget is the fuel that an instrumented guest may still use. The guest's code
// counts down a global and calls yield when the global falls below 0. There the host
// can stop the guest, and Go's scheduler and garbage collector can run, which cannot
// interrupt machine code. The host fills up the counter in slices and keeps the rest
// of the limit in rest.
//
// The zero value is a budget without a limit.
type Budget struct {
	// Slice is the fuel that a guest gets at a time; 0 stands for [meter.Slice]. An
	// engine that runs code more slowly uses a smaller slice.
	Slice int64

	limited bool
	limit   int64 // of one call
	rest    int64
}

// Limit bounds the fuel of each call.
func (b *Budget) Limit(fuel uint64) {
	b.limited, b.limit = true, int64(min(fuel, math.MaxInt64))
}

func (b *Budget) slice() int64 { return cmp.Or(b.Slice, meter.Slice) }

// start resets the budget for a new call and returns the first value of the counter.
func (b *Budget) start() uint64 {
	first := min(b.limit, b.slice())
	b.rest = b.limit - first
	return uint64(first)
}

// refill returns the new value of the counter, which has fallen to n, below 0. It
// returns false if the fuel is used up.
func (b *Budget) refill(n int64) (int64, bool) {
	if !b.limited {
		return b.slice(), true
	}
	if n+b.rest < 0 {
		return 0, false
	}
	grant := min(b.rest, b.slice()-n)
	b.rest -= grant
	return n + grant, true
}

// Yield is the host function that instrumented code calls when its counter is used
// up.
func (s *State) Yield(stack []uint64) {
	left := int64(stack[0])
	if left == meter.TooDeep {
		stack[0] = uint64(s.deeper())
		return
	}
	s.GoOn()
	s.checkStack()
	next, ok := s.Budget.refill(left)
	if !ok {
		panic(&core.TrapError{Kind: core.TrapFuel, Text: fmt.Sprintf("it used up its fuel (limits.fuel, %d)", s.Env.Limits.Fuel)})
	}
	stack[0] = uint64(next)
}
