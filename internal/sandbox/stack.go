package sandbox

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// keptStack is the largest stack that an idle guest keeps, in bytes, if its engine's
// stacks grow.
const keptStack = 128 << 10

// stack accounts for the stack of a guest's open calls. Instrumented code asks the
// host for stack in slices, so the host knows how deep the calls are. An engine's
// own frames may be larger than the meter assumes; if the engine knows the size of
// its stack, the host checks that too. Such a stack doubles when it grows, so it may
// reach twice the limit.
type stack struct {
	granted int64 // bytes beyond the first slice, which every guest has
	large   bool  // the stack is released after the call
}

// deeper returns the number of bytes by which the guest's open calls may grow.
func (s *State) deeper() int64 {
	s.GoOn()
	s.checkStack()
	grant := min(s.Env.Limits.Stack-meter.StackSlice-s.stack.granted, meter.StackSlice)
	if grant <= 0 {
		panic(s.StackUsedUp())
	}
	s.stack.large, s.needsCleanUp = true, true
	s.stack.granted += grant
	return grant
}

// checkStack ends a guest whose stack has outgrown its limit.
func (s *State) checkStack() {
	size := s.guest.StackSize()
	if size <= keptStack {
		return
	}
	s.stack.large, s.needsCleanUp = true, true
	if size > 2*s.Env.Limits.Stack+keptStack {
		panic(s.StackUsedUp())
	}
}

// shrink releases a large stack after the call.
func (s *State) shrink() {
	s.stack.large = false
	if s.guest.ReleaseStack() {
		s.stack.granted = 0
	}
}

// StackUsedUp returns the error of a guest whose open calls exceed its stack limit.
func (s *State) StackUsedUp() *core.TrapError {
	limit := &core.LimitError{Limit: "limits.stack", Max: uint64(s.Env.Limits.Stack), Unit: "bytes"}
	return &core.TrapError{Kind: core.TrapStack, Text: fmt.Sprintf("it used up its stack (%s, %s)", limit.Limit, limit.Allowed())}
}
