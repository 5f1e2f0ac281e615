package sandbox

import (
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/lastwords"
	"github.com/airhost/airhost/internal/wasi"
)

// State is the part of a running guest that is the same on every engine: its phase,
// whether and why it has ended, and the data of its host functions. Only the
// goroutine that calls the instance may use it, except for Interrupt.
type State struct {
	Env core.Environment
	// Code is the code that the guest was made from.
	Code *Code
	// MostMemory is the maximum size of its memory, in bytes: [Use.Most].
	MostMemory uint64
	// Budget is the fuel that instrumented code may still use.
	Budget Budget
	// Phase decides which host functions the guest may call.
	Phase Phase
	// Over is the reason why the instance has ended, or nil.
	Over error

	// Alone says that no other goroutine uses the guest's thread between two checks
	// of the stopwatch.
	Alone bool

	guest    Guest
	lower    abi.Guest // the same as guest: converting it for each call would cost 8 ns
	starting bool      // the current call counts towards the start's time
	watch    stopwatch
	stack    stack

	interrupted  atomic.Bool
	wake         atomic.Pointer[wake] // nil until the guest sleeps
	needsCleanUp bool                 // there is something to clean up after the call

	stdout, stderr output
	words          lastwords.Words // standard error of the current call

	wasi       *wasi.Instance // nil until the guest calls WASI
	leftBehind bool           // see LeftBehind
}

// Bind sets the engine's access to the guest.
func (s *State) Bind(guest Guest) { s.guest, s.lower, s.stderr.words = guest, guest, &s.words }

// Memory returns the guest's memory. It is valid until the guest's code runs again.
func (s *State) Memory() []byte { return s.lower.Memory() }

// Phase is the kind of call that an instance is in.
type Phase uint8

// The phases of an instance.
const (
	Idle       Phase = iota
	Starting         // the start function or _initialize
	Handling         // an export of the contract
	Allocating       // cabi_realloc
	Cleaning         // a post-return
)

var errInterrupted = &core.TrapError{Kind: core.TrapHandler, Text: "the host interrupted it"}

// ErrReentered ends an instance that its host called during another call of it.
var ErrReentered = &core.TrapError{Kind: core.TrapFault, Text: "the host called it from within its own call"}

// Enter begins every call of a guest by the host. It returns an error if the
// instance has ended.
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

// Left is called when the guest's code has returned without an error. It returns the
// reason if the instance has ended all the same, and nil otherwise.
func (s *State) Left() error {
	if s.interrupted.Load() {
		return s.End(errInterrupted)
	}
	if s.needsCleanUp && s.Phase == Idle {
		s.cleanUp()
	}
	return s.Over // set if the host called the instance during this call
}

// cleanUp resets the state that only few calls change.
func (s *State) cleanUp() {
	s.needsCleanUp = false
	s.words.Reset()
	if s.stack.large {
		s.shrink()
	}
}

// End ends the instance, if it has not ended before, and returns the reason.
func (s *State) End(cause error) error { return s.Trapped(cause, Idle) }

// Trapped is like End, for guest code that ended in phase p.
func (s *State) Trapped(cause error, p Phase) error {
	if s.Over == nil {
		trap := trapOf(cause)
		s.Over = trap
		s.flush() // may end the instance too, but the first reason counts
		s.explain(trap, p)
	}
	return s.Over
}

// flush logs unfinished lines, between two calls of guest code.
func (s *State) flush() {
	defer func() {
		if cause := recover(); cause != nil {
			_ = s.End(HostPanic(cause))
		}
	}()
	s.stdout.flush(s.Env.Host)
	s.stderr.flush(s.Env.Host)
}

// Release logs unfinished lines and frees the memory that a closed instance does not
// need.
func (s *State) Release() {
	s.flush()
	if s.wasi != nil {
		s.wasi.Close()
	}
	s.Over, s.stdout, s.stderr, s.wasi = core.ErrClosed, output{}, output{}, nil
}

// Interrupt implements [core.Instance].
func (s *State) Interrupt() {
	s.interrupted.Store(true)
	if w := s.wake.Load(); w != nil {
		w.interrupt()
	}
}

// longBytes is a size whose copying takes about as long as ten checks of the
// stopwatch.
const longBytes = 4 << 10

// yieldFor is called by a host function that takes n bytes. For a large n it checks
// whether the guest may go on, since a guest that does little else would not yield
// for a second.
func (s *State) yieldFor(n int) {
	if n >= longBytes {
		s.GoOn()
	}
}

// calling ends the instance if the guest must not call the host in the current
// phase.
func (s *State) calling(function string) {
	if s.Phase != Handling {
		s.refuse(function)
	}
}

// phaseNames describe the phases in which a guest must not call the host.
var phaseNames = map[Phase]string{
	Starting:   "its start function or _initialize",
	Allocating: "cabi_realloc",
	Cleaning:   "a post-return",
}

func (s *State) refuse(function string) {
	if s.Phase == Starting && harmless(function) {
		return
	}
	panic(&core.TrapError{Kind: core.TrapABI, Text: "it called " + function + " from " + phaseNames[s.Phase]})
}

// harmless reports whether a guest may call a host function while it starts: such a
// function only reads or logs.
func harmless(function string) bool {
	return function == abi.Log || function == abi.SelfID || function == abi.CurrentTime
}
