package wazero

import (
	"errors"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/sandbox"
)

// trapOf translates wazero's error of a call into the contract's terms.
func (in *instance) trapOf(err error) error {
	if errors.As(err, new(*core.TrapError)) || errors.As(err, new(*abi.Violation)) {
		return err // from a host function
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

// isStackOverflow recognizes wazero's error by its text, since wazero does not
// export it.
func isStackOverflow(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "stack overflow" {
			return true
		}
	}
	return false
}
