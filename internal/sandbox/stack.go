package sandbox

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/meter"
)

// keptStack is how large a stack an idle guest keeps, in bytes, where its engine's
// stacks grow.
const keptStack = 128 << 10

// stack is what a guest's open calls may take. Instrumented code asks for it in
// slices, so that the host sees how deep it goes. An engine's own frames may be larger
// than the meter's: where the guest's engine can tell, its stack is looked at too. It
// doubles as it grows, so that twice the limit is what the limit takes.
type stack struct {
	granted int64 // beyond the first slice, which all have
	large   bool  // it is to be given back after the call
}

// deeper returns how many more bytes the guest's open calls get.
func (s *State) deeper() int64 {
	s.GoOn()
	s.lookAtStack()
	grant := min(s.Env.Limits.Stack-meter.StackSlice-s.stack.granted, meter.StackSlice)
	if grant <= 0 {
		panic(s.StackUsedUp())
	}
	s.stack.large, s.untidy = true, true
	s.stack.granted += grant
	return grant
}

// lookAtStack ends a guest whose stack has outgrown its limit.
func (s *State) lookAtStack() {
	size := s.guest.StackSize()
	if size <= keptStack {
		return
	}
	s.stack.large, s.untidy = true, true
	if size > 2*s.Env.Limits.Stack+keptStack {
		panic(s.StackUsedUp())
	}
}

// shrink gives a large stack back, after the call.
func (s *State) shrink() {
	s.stack.large = false
	if s.guest.ReleaseStack() {
		s.stack.granted = 0
	}
}

// StackUsedUp is the end of a guest whose open calls take more than they may.
func (s *State) StackUsedUp() *core.TrapError {
	limit := &core.LimitError{Limit: "limits.stack", Max: uint64(s.Env.Limits.Stack), Unit: "bytes"}
	return &core.TrapError{Kind: core.TrapStack, Text: fmt.Sprintf("it used up its stack (%s, %s)", limit.Limit, limit.Allowed())}
}
