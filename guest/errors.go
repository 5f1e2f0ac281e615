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
	CaseComponentUnavailable                           // not ready, yet or any more
	CaseFailed                                         // understood, and failed
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

// ComponentError is why a component could not do what it was called for. Who
// sent the request is told the case and the text.
type ComponentError struct {
	Case ComponentErrorCase
	Text string
}

// InvalidMessage says that a message could not be understood. It formats like
// [fmt.Sprintf].
func InvalidMessage(format string, args ...any) error {
	return &ComponentError{CaseInvalidMessage, fmt.Sprintf(format, args...)}
}

// Unavailable says that the component is not ready, yet or any more. It formats
// like [fmt.Sprintf].
func Unavailable(format string, args ...any) error {
	return &ComponentError{CaseComponentUnavailable, fmt.Sprintf(format, args...)}
}

// Failed says that a message was understood and its work failed. It formats
// like [fmt.Sprintf].
func Failed(format string, args ...any) error {
	return &ComponentError{CaseFailed, fmt.Sprintf(format, args...)}
}

// Error returns the case's name and the text.
func (e *ComponentError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *ComponentError) ContractError() (kind, name, text string) {
	return "component-error", e.Case.String(), e.Text
}

// Is reports whether target, of this package or of package core, is a
// ComponentError of the same case and, if target has a text, of the same text.
func (e *ComponentError) Is(target error) bool { return sameError(e, target) }

// AsComponentError returns what the host is told of an error that a component
// returned: the ComponentError that err is or wraps, and otherwise failed with
// err's text, so for the [RequestError] of another component's. Bytes that are not
// UTF-8 are replaced, a case that the contract does not have counts as failed.
// Engines for components in Go use it.
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

// MessagingError is why the host refused a message. A refused message has left
// no trace.
type MessagingError struct {
	Case MessagingErrorCase
	Text string // the target's id, or the quota, argument or circumstance meant
}

// Error returns the case's name and the text.
func (e *MessagingError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *MessagingError) ContractError() (kind, name, text string) {
	return "messaging-error", e.Case.String(), e.Text
}

// Is reports whether target, of this package or of package core, is a
// MessagingError of the same case and, if target has a text, of the same text.
func (e *MessagingError) Is(target error) bool { return sameError(e, target) }

// RequestErrorReason is why a request ended without a response.
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

// RequestError is why a request that the host had taken ended without a
// response.
type RequestError struct {
	Reason RequestErrorReason
	Text   string // details; empty where the fixed word says all
}

// ParseRequestError reads the string that the contract's handle-callback is
// given. A text without a fixed word is a failure with that text.
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

// Is reports whether target, of this package or of package core, is a
// RequestError of the same reason and, if target has a text, of the same text; or the
// MessagingError with which the request was refused after the host had taken it.
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

// Unwrap returns the target's own [ComponentError] where the request failed by it,
// and otherwise nil.
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

// contractError is an error of the contract, of this package or of package core.
type contractError interface {
	ContractError() (kind, name, text string)
}

// sameError reports whether target is the contract's error e or, without a text, its
// case.
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

// validText makes text fit for the contract, whose strings are UTF-8.
func validText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
