package wazero

import (
	"errors"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// trapOf says in the contract's words what wazero's error of a call means.
func (in *instance) trapOf(err error) error {
	if errors.As(err, new(*core.TrapError)) || errors.As(err, new(*abi.Violation)) {
		return err // of a host function
	}
	trap := &core.TrapError{Kind: core.TrapFault, Details: sandbox.Details(err.Error())}
	if isStackOverflow(err) {
		used := in.StackUsedUp()
		trap.Kind, trap.Text = used.Kind, used.Text
		return trap
	}
	trap.Text = sandbox.FirstLine(strings.TrimPrefix(err.Error(), "wasm error: "))
	return trap
}

// isStackOverflow knows wazero's error by its text: wazero keeps the error
// itself internal.
func isStackOverflow(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "stack overflow" {
			return true
		}
	}
	return false
}
