package sandbox

import (
	"cmp"
	"fmt"
	"math"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// Budget is what an instrumented guest may still run. Its code counts down a
// global, and calls yield when that is used up: there it is stopped if need be,
// and there Go's scheduler and garbage collector get their turn, which machine
// code would not give them. A counter is filled up in slices; what the fuel's
// limit leaves for later slices is in rest.
//
// The zero value is a budget without a limit.
type Budget struct {
	// Slice is how much fuel a guest gets at a time, 0 for [meter.Slice]. An engine on
	// which code takes longer for its fuel has shorter ones.
	Slice int64

	limited bool
	limit   int64 // for one call
	rest    int64
}

// Limit has each call use so much fuel at most.
func (b *Budget) Limit(fuel uint64) {
	b.limited, b.limit = true, int64(min(fuel, math.MaxInt64))
}

func (b *Budget) slice() int64 { return cmp.Or(b.Slice, meter.Slice) }

// start gives a new call its fuel, and returns what the counter is to be.
func (b *Budget) start() uint64 {
	first := min(b.limit, b.slice())
	b.rest = b.limit - first
	return uint64(first)
}

// refill returns what the counter becomes, given that it has fallen to n, below
// 0; or false where all is used up.
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

// Yield is what instrumented code imports.
func (s *State) Yield(stack []uint64) {
	left := int64(stack[0])
	if left == meter.TooDeep {
		stack[0] = uint64(s.deeper())
		return
	}
	s.GoOn()
	s.lookAtStack()
	next, ok := s.Budget.refill(left)
	if !ok {
		panic(&core.TrapError{Kind: core.TrapFuel, Text: fmt.Sprintf("it used up its fuel (limits.fuel, %d)", s.Env.Limits.Fuel)})
	}
	stack[0] = uint64(next)
}
