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
	failure, err := abi.LiftOutcome(s.lower.Memory(), uint32(stack[0]), abi.Initialize)
	if err != nil {
		return s.End(err)
	}
	if s.Code.Exports[abi.PostInitialize] {
		if err := s.guest.Call(abi.PostInitialize, Cleaning, stack[:1]); err != nil {
			return err
		}
	}
	return Failure(failure)
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
