package core

import "fmt"

// StateKeeper is an [Instance] of a guest that exports component-state: another version
// of the guest goes on with its state. All instances of a component whose [Traits] say
// State implement it. Save and Restore are calls of the guest like Health.
//
// A state larger than limits.memory is refused with the error of [Limits.CheckState]. The
// instance goes on then.
type StateKeeper interface {
	Instance

	// Save is save. It appends the guest's state to dst and returns the extended slice,
	// or dst after an error. It may be called between any two messages, and the guest
	// goes on.
	Save(dst []byte) ([]byte, error)

	// Restore is restore. It is called at most once, after Initialize and before the
	// first message. It does not change or keep the state.
	Restore(state []byte) error
}

// ErrNoState is the error of Save and Restore for a guest without component-state.
var ErrNoState = &ComponentError{CaseComponentUnavailable, "it does not export component-state"}

// CheckState returns an error if a guest's state of size bytes is larger than
// limits.memory. The error wraps a [LimitError] and matches [ErrFailed].
func (l Limits) CheckState(size uint64) error {
	most := uint64(max(l.WithDefaults().Memory, 0))
	if size <= most {
		return nil
	}
	limit := &LimitError{Limit: "limits.memory", Got: size, Max: most, Unit: "bytes"}
	return fmt.Errorf("%w: %w", &ComponentError{CaseFailed, "the state is too large"}, limit)
}
