package guest

import (
	"errors"
	"fmt"
	"strings"
)

// ComponentErrorCase is a case of the contract's component-error.
type ComponentErrorCase uint8

// The cases of component-error.
const (
	CaseInvalidMessage       ComponentErrorCase = iota // the bytes could not be understood
	CaseComponentUnavailable                           // not ready yet, or no longer
	CaseFailed                                         // the message was understood, but its handling failed
)

// String returns the case's name in the contract.
func (c ComponentErrorCase) String() string {
	return nameOf(c, "invalid-message", "unavailable", "failed")
}

// The sentinels of [ComponentError], for errors.Is.
var (
	ErrInvalidMessage       = &ComponentError{Case: CaseInvalidMessage}
	ErrComponentUnavailable = &ComponentError{Case: CaseComponentUnavailable}
	ErrFailed               = &ComponentError{Case: CaseFailed}
)

// ComponentError says why a component could not handle a call. The sender of a request
// gets the case and the text.
type ComponentError struct {
	Case ComponentErrorCase
	Text string
}

// InvalidMessage says that a message could not be understood. It formats like
// [fmt.Sprintf].
func InvalidMessage(format string, args ...any) error {
	return &ComponentError{CaseInvalidMessage, fmt.Sprintf(format, args...)}
}

// Unavailable says that the component is not ready yet, or no longer. It formats like
// [fmt.Sprintf].
func Unavailable(format string, args ...any) error {
	return &ComponentError{CaseComponentUnavailable, fmt.Sprintf(format, args...)}
}

// Failed says that a message was understood, but its handling failed. It formats like
// [fmt.Sprintf].
func Failed(format string, args ...any) error {
	return &ComponentError{CaseFailed, fmt.Sprintf(format, args...)}
}

// Error returns the case's name and the text.
func (e *ComponentError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *ComponentError) ContractError() (kind, name, text string) {
	return "component-error", e.Case.String(), e.Text
}

// Is reports whether target is a ComponentError, of this package or of package core,
// with the same case and, if target has a text, the same text.
func (e *ComponentError) Is(target error) bool { return sameError(e, target) }

// AsComponentError returns the error that the host gets for an error of a component:
// the ComponentError that err is or wraps, and otherwise CaseFailed with err's text.
// It does so for a [RequestError] too: the ComponentError in it is another component's.
// Bytes that are not UTF-8 are replaced. A case that the contract does not have counts
// as CaseFailed. Engines for components in Go use it.
func AsComponentError(err error) *ComponentError {
	var e *ComponentError
	if errors.As(err, new(*RequestError)) || !errors.As(err, &e) {
		return &ComponentError{CaseFailed, validText(err.Error())}
	}
	return &ComponentError{min(e.Case, CaseFailed), validText(e.Text)}
}

// MessagingErrorCase is a case of the contract's messaging-error.
type MessagingErrorCase uint8

// The cases of messaging-error.
const (
	CaseCapabilityDenied MessagingErrorCase = iota // no capability for this target and pattern
	CaseQuotaExceeded                              // a quota of the sender is used up
	CaseTargetNotFound                             // no such component
	CaseQueueFull                                  // the target's mailbox is full: try again later
	CaseInvalidArgument                            // an argument is out of range
	CaseRequestNotFound                            // the request is not pending
	CaseUnavailable                                // host stopping, target failed or broker unreachable
)

// String returns the case's name in the contract.
func (c MessagingErrorCase) String() string {
	return nameOf(c, "capability-denied", "quota-exceeded", "target-not-found", "queue-full",
		"invalid-argument", "request-not-found", "unavailable")
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

// MessagingError says why the host refused a message. A refused message has no
// effect.
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

// Is reports whether target is a MessagingError, of this package or of package core,
// with the same case and, if target has a text, the same text.
func (e *MessagingError) Is(target error) bool { return sameError(e, target) }

// CallErrorCase is a case of the contract's call-error.
type CallErrorCase uint8

// The cases of call-error.
const (
	CallDenied      CallErrorCase = iota // no capability for this function
	CallNotFound                         // the host has no such function
	CallFailed                           // the function was called and failed
	CallUnavailable                      // it was not called, or did not end in time
)

// String returns the case's name in the contract.
func (c CallErrorCase) String() string {
	return nameOf(c, "denied", "not-found", "failed", "unavailable")
}

// The sentinels of [CallError], for errors.Is.
var (
	ErrCallDenied      = &CallError{Case: CallDenied}
	ErrCallNotFound    = &CallError{Case: CallNotFound}
	ErrCallFailed      = &CallError{Case: CallFailed}
	ErrCallUnavailable = &CallError{Case: CallUnavailable}
)

// CallError says why [Host.Call] has no result.
type CallError struct {
	Case CallErrorCase
	Text string // the function's own error, if it failed; else the circumstance
}

// Error returns the case's name and the text.
func (e *CallError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *CallError) ContractError() (kind, name, text string) {
	return "call-error", e.Case.String(), e.Text
}

// Is reports whether target is a CallError, of this package or of package core, with the
// same case and, if target has a text, the same text.
func (e *CallError) Is(target error) bool { return sameError(e, target) }

// RequestErrorReason says why a request ended without a response.
type RequestErrorReason uint8

// The reasons.
const (
	ReasonTimeout        RequestErrorReason = iota // no response in time
	ReasonFailed                                   // the target returned an error
	ReasonTrapped                                  // the target trapped, was stopped or broke the ABI
	ReasonTargetNotFound                           // the target was removed before it answered
	ReasonUnavailable                              // host stopping, target failed for good, broker gone
	numReasons
)

// String returns the reason's fixed word in the contract.
func (r RequestErrorReason) String() string {
	return nameOf(r, "timeout", "failed", "trapped", "target-not-found", "unavailable")
}

// The sentinels of [RequestError], for errors.Is.
var (
	ErrTimeout            = &RequestError{Reason: ReasonTimeout}
	ErrRequestFailed      = &RequestError{Reason: ReasonFailed}
	ErrRequestTrapped     = &RequestError{Reason: ReasonTrapped}
	ErrTargetRemoved      = &RequestError{Reason: ReasonTargetNotFound}
	ErrRequestUnavailable = &RequestError{Reason: ReasonUnavailable}
)

// RequestError says why a request that the host had accepted ended without a response.
type RequestError struct {
	Reason RequestErrorReason
	Text   string // details; may be empty
}

// ParseRequestError parses the error string of the contract's handle-callback. A text
// without a fixed word gets the reason ReasonFailed.
func ParseRequestError(text string) *RequestError {
	word, details, _ := strings.Cut(text, ": ")
	for reason := range numReasons {
		if word == reason.String() {
			return &RequestError{reason, details}
		}
	}
	return &RequestError{ReasonFailed, text}
}

// Error returns the fixed word and the details.
func (e *RequestError) Error() string { return join(e.Reason.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *RequestError) ContractError() (kind, name, text string) {
	return "request-error", e.Reason.String(), e.Text
}

// Is reports whether target is a RequestError, of this package or of package core, with
// the same reason and, if target has a text, the same text. It also matches the
// MessagingError of a refusal that came after the host had accepted the request.
func (e *RequestError) Is(target error) bool {
	if sameError(e, target) {
		return true
	}
	refusal := e.refusal()
	return refusal != nil && sameError(refusal, target)
}

func (e *RequestError) refusal() *MessagingError {
	switch e.Reason {
	case ReasonTargetNotFound:
		return &MessagingError{CaseTargetNotFound, e.Text}
	case ReasonUnavailable:
		word, details, _ := strings.Cut(e.Text, ": ")
		if c, ok := named[MessagingErrorCase](word); ok {
			return &MessagingError{c, details}
		}
		return &MessagingError{CaseUnavailable, e.Text}
	}
	return nil
}

// Unwrap returns the target's [ComponentError] if the target answered with one, and
// otherwise nil.
func (e *RequestError) Unwrap() error {
	if e.Reason != ReasonFailed {
		return nil
	}
	word, details, _ := strings.Cut(e.Text, ": ")
	if c, ok := named[ComponentErrorCase](word); ok {
		return &ComponentError{c, details}
	}
	return &ComponentError{CaseFailed, e.Text}
}

// named returns the case with a name of the contract.
func named[Case interface {
	~uint8
	String() string
}](name string) (c Case, ok bool) {
	for ; c.String() != unknownName; c++ {
		if c.String() == name {
			return c, true
		}
	}
	return 0, false
}

// contractError is an error type of the contract, in this package or in package core.
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

// validText replaces bytes that are not UTF-8, as strings of the contract are.
func validText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
