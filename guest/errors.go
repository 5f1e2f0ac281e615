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

// Is reports whether target is a ComponentError of the same case and, if target
// has a text, of the same text.
func (e *ComponentError) Is(target error) bool {
	t, ok := target.(*ComponentError)
	return ok && t.Case == e.Case && (t.Text == "" || t.Text == e.Text)
}

// AsComponentError returns what the host is told of an error that a component
// returned: the ComponentError that err is or wraps, and otherwise failed with
// err's text. Bytes that are not UTF-8 are replaced, a case that the contract
// does not have counts as failed. Engines for components in Go use it.
func AsComponentError(err error) *ComponentError {
	var e *ComponentError
	if !errors.As(err, &e) {
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

// Is reports whether target is a MessagingError of the same case and, if target
// has a text, of the same text.
func (e *MessagingError) Is(target error) bool {
	t, ok := target.(*MessagingError)
	return ok && t.Case == e.Case && (t.Text == "" || t.Text == e.Text)
}

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

// Is reports whether target is a RequestError of the same reason and, if target
// has a text, of the same text.
func (e *RequestError) Is(target error) bool {
	t, ok := target.(*RequestError)
	return ok && t.Reason == e.Reason && (t.Text == "" || t.Text == e.Text)
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
