package sandbox

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// Guest is an engine's access to one of its running guests.
type Guest interface {
	abi.Guest
	// Call runs one of the less frequent exports, in phase p. Arguments and results
	// are passed in stack. If it returns an error, the instance has ended.
	Call(name string, p Phase, stack []uint64) error
	// Refused returns the number of pages of the guest's last memory.grow if that
	// was refused, and 0 otherwise.
	Refused() (pages uint32)
	// SetFuel sets the meter's counter.
	SetFuel(fuel uint64)
	// StackSize returns the size of the current call's stack in bytes, or 0 if the
	// engine's stacks do not grow.
	StackSize() int64
	// ReleaseStack frees the stack between two calls and resets the meter's count of
	// stack slices. It returns false, without effect, if the engine cannot do that.
	ReleaseStack() bool
}

// Run runs the guest's start function and _initialize.
func (s *State) Run() error {
	if err := s.Enter(); err != nil {
		return err
	}
	s.starting = true
	defer func() { s.starting = false }()
	for _, name := range []string{s.Code.Start, abi.Start} {
		if name == "" || name == abi.Start && !s.Code.Exports[name] {
			continue
		}
		if err := s.guest.Call(name, Starting, nil); err != nil {
			return err
		}
	}
	return nil
}

// Initialize implements [core.Instance].
func (s *State) Initialize(config []core.ConfigPair) error {
	if err := s.Enter(); err != nil || !s.Code.Traits.Management {
		return err
	}
	s.starting = true
	defer func() { s.starting = false }()
	list, err := abi.LowerPairs(s.lower, config)
	if err != nil {
		return s.End(err)
	}
	stack := []uint64{uint64(list), uint64(len(config))}
	if err := s.guest.Call(abi.Initialize, Handling, stack); err != nil {
		return err
	}
	return s.outcome(abi.Initialize, abi.PostInitialize, stack[:1])
}

// outcome reads the result of initialize or restore, named by of, whose area is in stack,
// and cleans up.
func (s *State) outcome(of, post string, stack []uint64) error {
	failure, err := abi.LiftOutcome(s.lower.Memory(), uint32(stack[0]), of)
	if err != nil {
		return s.End(err)
	}
	if err := s.cleanAfter(post, stack); err != nil {
		return err
	}
	return Failure(failure)
}

// cleanAfter calls a post-return, if the guest has it, with the area in stack.
func (s *State) cleanAfter(post string, stack []uint64) error {
	if !s.Code.Exports[post] {
		return nil
	}
	return s.guest.Call(post, Cleaning, stack)
}

// Health implements [core.Instance].
func (s *State) Health() (core.HealthStatus, error) {
	if err := s.Enter(); err != nil || !s.Code.Traits.Management {
		return core.HealthHealthy, err
	}
	stack := make([]uint64, 1)
	if err := s.guest.Call(abi.Health, Handling, stack); err != nil {
		return 0, err
	}
	status, err := abi.LiftHealth(uint32(stack[0]))
	if err != nil {
		return 0, s.End(err)
	}
	return status, nil
}

// Shutdown implements [core.Instance].
func (s *State) Shutdown() error {
	if err := s.Enter(); err != nil || !s.Code.Traits.Management {
		return err
	}
	return s.guest.Call(abi.Shutdown, Handling, nil)
}

// Save implements [core.StateKeeper].
func (s *State) Save(dst []byte) ([]byte, error) {
	if err := s.enterState(); err != nil {
		return dst, err
	}
	stack := make([]uint64, 1)
	if err := s.guest.Call(abi.Save, Handling, stack); err != nil {
		return dst, err
	}
	state, failure, err := abi.LiftState(s.lower.Memory(), uint32(stack[0]))
	if err != nil {
		return dst, s.End(err)
	}
	saved := append(dst, state...)
	if err := s.cleanAfter(abi.PostSave, stack); err != nil {
		return dst, err
	}
	if failure != nil {
		return dst, failure
	}
	return saved, nil
}

// Restore implements [core.StateKeeper].
func (s *State) Restore(state []byte) error {
	if err := s.enterState(); err != nil {
		return err
	}
	if err := s.Env.Limits.CheckState(uint64(len(state))); err != nil {
		return err
	}
	ptr, err := abi.LowerState(s.lower, state)
	if err != nil {
		return s.End(err)
	}
	stack := []uint64{uint64(ptr), uint64(len(state))}
	if err := s.guest.Call(abi.Restore, Handling, stack); err != nil {
		return err
	}
	return s.outcome(abi.Restore, abi.PostRestore, stack[:1])
}

func (s *State) enterState() error {
	if err := s.Enter(); err != nil {
		return err
	}
	if !s.Code.Traits.State {
		return core.ErrNoState
	}
	return nil
}

// Respond appends the guest's answer to *response, or returns an error if the answer
// is larger than the component's limit for messages.
func (s *State) Respond(answer []byte, response *[]byte) *core.ComponentError {
	if most := s.Env.Limits.MessageSize; len(answer) > most {
		return &core.ComponentError{Case: core.CaseFailed,
			Text: fmt.Sprintf("the response has %d bytes, allowed are %d (quota.message_size)", len(answer), most)}
	}
	*response = append(*response, answer...)
	return nil
}

// ErrNoCallback is the answer for a guest without handle-callback.
var ErrNoCallback = &core.ComponentError{Case: core.CaseComponentUnavailable, Text: "it does not export handle-callback"}

// Failure turns a guest's failure, or nil, into an error.
func Failure(failure *core.ComponentError) error {
	if failure == nil {
		return nil
	}
	return failure
}
