package core

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrClosed is returned by methods of an engine, component, instance, broker or
// tracker after its Close. A second Close returns nil.
var ErrClosed = errors.New("closed")

// ErrInUse is wrapped by the error of a Close if its context ended while the engine
// or component was still in use. Close has released nothing then.
var ErrInUse = errors.New("still in use")

// ComponentErrorCase is a case of the contract's component-error, with the same
// number.
type ComponentErrorCase uint8

// The cases of component-error.
const (
	CaseInvalidMessage       ComponentErrorCase = iota // the bytes could not be understood
	CaseComponentUnavailable                           // not ready yet, or no longer
	CaseFailed                                         // the message was understood, but its handling failed
	numComponentErrorCases
)

var componentErrorNames = [numComponentErrorCases]string{"invalid-message", "unavailable", "failed"}

// Valid reports whether c is a case of the contract.
func (c ComponentErrorCase) Valid() bool { return c < numComponentErrorCases }

// String returns the case's name in the contract.
func (c ComponentErrorCase) String() string {
	if !c.Valid() {
		return fmt.Sprintf("component-error(%d)", uint8(c))
	}
	return componentErrorNames[c]
}

// The sentinels of [ComponentError], for errors.Is.
var (
	ErrInvalidMessage       = &ComponentError{Case: CaseInvalidMessage}
	ErrComponentUnavailable = &ComponentError{Case: CaseComponentUnavailable}
	ErrFailed               = &ComponentError{Case: CaseFailed}
)

// ComponentError is the contract's component-error: the reason with which a guest
// answered a call. The guest can still be called.
type ComponentError struct {
	Case ComponentErrorCase
	Text string
}

// Error returns the case's name and the text.
func (e *ComponentError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *ComponentError) ContractError() (kind, name, text string) {
	return "component-error", e.Case.String(), e.Text
}

// Is reports whether target is a ComponentError, of this package or of package guest,
// with the same case and, if target has a text, the same text.
func (e *ComponentError) Is(target error) bool { return sameError(e, target) }

// MessagingErrorCase is a case of the contract's messaging-error, with the same
// number.
type MessagingErrorCase uint8

// The cases of messaging-error.
const (
	CaseCapabilityDenied MessagingErrorCase = iota // no capability for this target and pattern
	CaseQuotaExceeded                              // a quota of the sender is used up
	CaseTargetNotFound                             // no such component
	CaseQueueFull                                  // the target's mailbox is full
	CaseInvalidArgument                            // an argument is out of range
	CaseRequestNotFound                            // the request is not pending
	CaseUnavailable                                // host stopping, target failed or broker unreachable
	numMessagingErrorCases
)

var messagingErrorNames = [numMessagingErrorCases]string{
	"capability-denied", "quota-exceeded", "target-not-found", "queue-full",
	"invalid-argument", "request-not-found", "unavailable",
}

// MessagingErrorCases returns all cases of messaging-error, in the contract's order.
func MessagingErrorCases() []MessagingErrorCase {
	cases := make([]MessagingErrorCase, numMessagingErrorCases)
	for i := range cases {
		cases[i] = MessagingErrorCase(i)
	}
	return cases
}

// HasText reports whether the case has a string in the contract.
func (c MessagingErrorCase) HasText() bool { return c != CaseRequestNotFound }

// Valid reports whether c is a case of the contract.
func (c MessagingErrorCase) Valid() bool { return c < numMessagingErrorCases }

// String returns the case's name in the contract.
func (c MessagingErrorCase) String() string {
	if !c.Valid() {
		return fmt.Sprintf("messaging-error(%d)", uint8(c))
	}
	return messagingErrorNames[c]
}

// The sentinels of [MessagingError], for errors.Is.
var (
	ErrCapabilityDenied = &MessagingError{Case: CaseCapabilityDenied}
	ErrQuotaExceeded    = &MessagingError{Case: CaseQuotaExceeded}
	ErrTargetNotFound   = &MessagingError{Case: CaseTargetNotFound}
	ErrQueueFull        = &MessagingError{Case: CaseQueueFull}
	ErrInvalidArgument  = &MessagingError{Case: CaseInvalidArgument}
	ErrRequestNotFound  = &MessagingError{Case: CaseRequestNotFound}
	ErrUnavailable      = &MessagingError{Case: CaseUnavailable}
)

// MessagingError is the contract's messaging-error: the reason for which the host
// refused a message. A refused message has no effect: it is in no tracker and no
// mailbox, and has used no quota.
type MessagingError struct {
	Case MessagingErrorCase
	Text string // the target's id, or the quota, argument or circumstance
}

// Error returns the case's name and the text.
func (e *MessagingError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *MessagingError) ContractError() (kind, name, text string) {
	return "messaging-error", e.Case.String(), e.Text
}

// Is reports whether target is a MessagingError, of this package or of package guest,
// with the same case and, if target has a text, the same text.
func (e *MessagingError) Is(target error) bool { return sameError(e, target) }

// AsMessagingError returns the error that a guest gets for err, which is not nil: the
// MessagingError that err is or wraps, or otherwise unavailable with err's text.
func AsMessagingError(err error) *MessagingError {
	if e, ok := err.(*MessagingError); ok { // the usual case, without reflection
		return e
	}
	var e *MessagingError
	if errors.As(err, &e) {
		return e
	}
	return &MessagingError{CaseUnavailable, err.Error()}
}

// TrapKind is the way in which an instance ended.
type TrapKind uint8

// The kinds.
const (
	TrapFault   TrapKind = iota // the code trapped, panicked or exited
	TrapHandler                 // it exceeded its handler time
	TrapFuel                    // it used up its fuel
	TrapABI                     // it broke the contract's ABI
	TrapStack                   // it used up its stack
	numTrapKinds
)

var trapKindNames = [numTrapKinds]string{"fault", "handler-time", "fuel", "abi", "stack"}

// String returns the kind's name.
func (k TrapKind) String() string {
	if k >= numTrapKinds {
		return fmt.Sprintf("trap(%d)", uint8(k))
	}
	return trapKindNames[k]
}

// TrapError says that an instance has ended for good. The host never calls it again,
// and its supervisor replaces it. Other guests see Text alone. Details and Stderr are
// for the log, and may name the guest's functions.
type TrapError struct {
	Kind    TrapKind
	Text    string // one line, sent to the requester
	Details string // a stack trace, if the engine has one
	// Stderr is the last output of the guest to its standard error: a few lines of at
	// most [MaxStderr] bytes.
	Stderr string
}

// Error returns the kind and the text.
func (e *TrapError) Error() string { return "trapped: " + join(e.Kind.String(), e.Text) }

// ErrLimitExceeded is matched by every [LimitError], for errors.Is.
var ErrLimitExceeded = errors.New("limit exceeded")

// LimitError says that a module declares, or a guest uses, more than a limit allows.
type LimitError struct {
	Limit string // the limit's configuration key, such as "limits.memory"
	Got   uint64
	Max   uint64
	Unit  string // such as "bytes"; empty for a plain count
}

// Error names the limit, the requested amount and the allowed amount.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %s where %s are allowed", e.Limit, e.amount(e.Got), e.Allowed())
}

// Is reports whether target is ErrLimitExceeded.
func (e *LimitError) Is(target error) bool { return target == ErrLimitExceeded }

// Allowed returns the largest allowed amount, with its unit.
func (e *LimitError) Allowed() string { return e.amount(e.Max) }

func (e *LimitError) amount(n uint64) string {
	if e.Unit == "bytes" && n <= math.MaxInt64 {
		return bytesText(int64(n))
	}
	return strings.TrimRight(fmt.Sprintf("%d %s", n, e.Unit), " ")
}

// ErrModuleRefused is matched by every [ModuleError], for errors.Is.
var ErrModuleRefused = errors.New("module refused")

// ModuleError says why an engine refuses a guest's code. It names every problem.
type ModuleError struct {
	Source   string   // the file or name of the code
	Problems []string // at least one; each is a sentence without a full stop
	Cause    error    // the error of a library or check, or nil
}

// Error lists all problems.
func (e *ModuleError) Error() string {
	return join(e.Source, strings.Join(e.Problems, "; "))
}

// Is reports whether target is ErrModuleRefused.
func (e *ModuleError) Is(target error) bool { return target == ErrModuleRefused }

// Unwrap returns the cause.
func (e *ModuleError) Unwrap() error { return e.Cause }

// contractError is an error type of the contract, in this package or in package
// guest.
type contractError interface {
	ContractError() (kind, name, text string)
}

// sameError reports whether target is the same contract error as e, or has no text
// and the same case.
func sameError(e contractError, target error) bool {
	t, ok := target.(contractError)
	if !ok {
		return false
	}
	kind, name, text := e.ContractError()
	targetKind, targetName, targetText := t.ContractError()
	return kind == targetKind && name == targetName && (targetText == "" || targetText == text)
}

// join puts ": " between two texts, unless one of them is empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}
