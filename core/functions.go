package core

import (
	"errors"
	"fmt"
)

// Functions are the host's services of airhost:functions/host-functions. The rules of
// [Services] hold for them: calls come while a call of the instance is in progress, on its
// goroutine.
type Functions interface {
	// CallFunction is call. It calls the host's function of a name, which may have any
	// bytes, and blocks until the function has returned. The result is valid until the
	// instance calls a function again, or until its call in progress ends. An error is a
	// [CallError].
	//
	// An engine that keeps a ledger brings it up to date before. While CallFunction blocks
	// the guest's running time does not pass.
	CallFunction(name, argument []byte) (result []byte, err error)
}

// FunctionsOf returns the functions of an environment. If the host has none, every call is
// not-found.
func FunctionsOf(env *Environment) Functions {
	if env.Functions == nil {
		return noFunctions{}
	}
	return env.Functions
}

type noFunctions struct{}

var errNoFunctions = &CallError{Case: CallNotFound, Text: "the host has no functions"}

func (noFunctions) CallFunction([]byte, []byte) ([]byte, error) { return nil, errNoFunctions }

// CallErrorCase is a case of the contract's call-error, with the same number.
type CallErrorCase uint8

// The cases of call-error.
const (
	CallDenied      CallErrorCase = iota // no capability for this function
	CallNotFound                         // the host has no such function
	CallFailed                           // the function was called and failed
	CallUnavailable                      // it was not called, or did not end in time
	numCallErrorCases
)

var callErrorNames = [numCallErrorCases]string{"denied", "not-found", "failed", "unavailable"}

// CallErrorCases returns all cases of call-error, in the contract's order.
func CallErrorCases() []CallErrorCase {
	return []CallErrorCase{CallDenied, CallNotFound, CallFailed, CallUnavailable}
}

// Valid reports whether c is a case of the contract.
func (c CallErrorCase) Valid() bool { return c < numCallErrorCases }

// String returns the case's name in the contract.
func (c CallErrorCase) String() string {
	if !c.Valid() {
		return fmt.Sprintf("call-error(%d)", uint8(c))
	}
	return callErrorNames[c]
}

// The sentinels of [CallError], for errors.Is.
var (
	ErrCallDenied      = &CallError{Case: CallDenied}
	ErrCallNotFound    = &CallError{Case: CallNotFound}
	ErrCallFailed      = &CallError{Case: CallFailed}
	ErrCallUnavailable = &CallError{Case: CallUnavailable}
)

// CallError is the contract's call-error: why the call of a function has no result.
type CallError struct {
	Case CallErrorCase
	Text string // at most [MaxErrorText] bytes of UTF-8
}

// Error returns the case's name and the text.
func (e *CallError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *CallError) ContractError() (kind, name, text string) {
	return "call-error", e.Case.String(), e.Text
}

// Is reports whether target is a CallError, of this package or of package guest, with the
// same case and, if target has a text, the same text.
func (e *CallError) Is(target error) bool { return sameError(e, target) }

// AsCallError returns the error that a guest gets for err, which is not nil: the CallError
// that err is or wraps, or otherwise unavailable with err's text.
func AsCallError(err error) *CallError {
	var e *CallError
	if errors.As(err, &e) {
		return e
	}
	return &CallError{Case: CallUnavailable, Text: err.Error()}
}
