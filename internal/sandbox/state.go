package sandbox

import (
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/lastwords"
)

// State is the part of a live guest that is the same on every engine: what it is
// doing, whether and why it has ended, and what its host functions need. All but
// Interrupt belongs to the goroutine that calls the instance.
type State struct {
	Env core.Environment
	// Code is what the guest was made of.
	Code *Code
	// MostMemory is how large its memory may become, in bytes: [Use.Most].
	MostMemory uint64
	// Budget is what instrumented code may run.
	Budget Budget
	// Phase decides what the guest may call.
	Phase Phase
	// Over is why the instance has ended, or nil.
	Over error

	// Alone says that between two looks at the guest nothing but it and its host
	// functions uses the thread that it runs on.
	Alone bool

	guest    Guest
	lower    abi.Guest // guest: converting it for each call would cost 8 ns
	starting bool      // it runs what has the start's time
	watch    stopwatch
	stack    stack

	interrupted atomic.Bool
	untidy      bool // there is something to do after the call

	stdout, stderr output
	words          lastwords.Words // of the call in progress
}

// Bind says how to reach into the guest.
func (s *State) Bind(guest Guest) { s.guest, s.lower, s.stderr.words = guest, guest, &s.words }

// Memory returns the guest's memory, for use until its code runs again.
func (s *State) Memory() []byte { return s.lower.Memory() }

// Phase is what an instance is doing.
type Phase uint8

// The phases.
const (
	Idle       Phase = iota
	Starting         // start function and _initialize
	Handling         // an export of the contract
	Allocating       // cabi_realloc
	Cleaning         // a post-return
)

var errInterrupted = &core.TrapError{Kind: core.TrapHandler, Text: "the host interrupted it"}

// ErrReentered is the end of an instance that its host called from within its
// own call.
var ErrReentered = &core.TrapError{Kind: core.TrapFault, Text: "the host called it from within its own call"}

// Enter is the beginning of all that a host asks of a guest. It refuses where
// the instance has ended.
func (s *State) Enter() error {
	if s.Over != nil {
		return s.Over
	}
	if s.Phase != Idle {
		return s.End(ErrReentered)
	}
	if s.interrupted.Load() {
		return s.End(errInterrupted)
	}
	s.watch.at = 0
	if s.Budget.limited {
		s.guest.SetFuel(s.Budget.start())
	}
	return nil
}

// Left is called when guest code has returned without an error. It returns why
// the instance has ended all the same, or nil.
func (s *State) Left() error {
	if s.interrupted.Load() {
		return s.End(errInterrupted)
	}
	if s.untidy && s.Phase == Idle {
		s.tidy()
	}
	return s.Over // of a call from within this one
}

// tidy is for what a call has left behind that few calls do.
func (s *State) tidy() {
	s.untidy = false
	s.words.Reset()
	if s.stack.large {
		s.shrink()
	}
}

// End ends the instance, unless it has ended before, and returns why.
func (s *State) End(cause error) error { return s.Trapped(cause, Idle) }

// Trapped is End for what has ended guest code that ran in a phase.
func (s *State) Trapped(cause error, p Phase) error {
	if s.Over == nil {
		trap := trapOf(cause)
		s.Over = trap
		s.flush() // the first reason counts
		s.explain(trap, p)
	}
	return s.Over
}

// flush logs the last lines that have no end, outside of guest code.
func (s *State) flush() {
	defer func() {
		if cause := recover(); cause != nil {
			_ = s.End(HostPanic(cause))
		}
	}()
	s.stdout.flush(s.Env.Host)
	s.stderr.flush(s.Env.Host)
}

// Release logs what is left to be logged, and lets go of what a closed instance needs
// no more.
func (s *State) Release() {
	s.flush()
	s.Over, s.stdout, s.stderr = core.ErrClosed, output{}, output{}
}

// Interrupt implements [core.Instance].
func (s *State) Interrupt() { s.interrupted.Store(true) }

// longBytes take about as long to copy as it takes to look at the watch ten times.
const longBytes = 4 << 10

// pass is for host functions that take as long as n bytes are many: a guest that
// does little else would not yield for a second.
func (s *State) pass(n int) {
	if n >= longBytes {
		s.GoOn()
	}
}

// calling refuses a call of the host from code that must not make it: there the
// instance ends.
func (s *State) calling(function string) {
	if s.Phase != Handling {
		s.refuse(function)
	}
}

// phaseNames say what a guest must not call the host from.
var phaseNames = map[Phase]string{
	Starting:   "its start function or _initialize",
	Allocating: "cabi_realloc",
	Cleaning:   "a post-return",
}

func (s *State) refuse(function string) {
	if s.Phase == Starting && quiet(function) {
		return
	}
	panic(&core.TrapError{Kind: core.TrapABI, Text: "it called " + function + " from " + phaseNames[s.Phase]})
}

// quiet reports whether a host function only tells or is told, which a guest
// that starts may do.
func quiet(function string) bool {
	return function == abi.Log || function == abi.SelfID || function == abi.CurrentTime
}
