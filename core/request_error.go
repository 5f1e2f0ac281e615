package core

import (
	"fmt"
	"slices"
	"strings"
)

// RequestErrorReason is why a request ended without a response. Its name is the
// fixed word with which the error string of handle-callback starts.
type RequestErrorReason uint8

// The reasons.
const (
	ReasonTimeout        RequestErrorReason = iota // no response in time
	ReasonFailed                                   // the receiver returned an error
	ReasonTrapped                                  // the receiver trapped, was stopped or broke the ABI
	ReasonTargetNotFound                           // the receiver was removed before it answered
	ReasonUnavailable                              // host stopping, receiver failed for good, broker gone
	numRequestErrorReasons
)

var requestErrorNames = [numRequestErrorReasons]string{"timeout", "failed", "trapped", "target-not-found", "unavailable"}

// String returns the reason's fixed word.
func (r RequestErrorReason) String() string {
	if r >= numRequestErrorReasons {
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
	return requestErrorNames[r]
}

// The sentinels of [RequestError], for errors.Is.
var (
	ErrTimeout            = &RequestError{Reason: ReasonTimeout}
	ErrRequestFailed      = &RequestError{Reason: ReasonFailed}
	ErrRequestTrapped     = &RequestError{Reason: ReasonTrapped}
	ErrTargetRemoved      = &RequestError{Reason: ReasonTargetNotFound}
	ErrRequestUnavailable = &RequestError{Reason: ReasonUnavailable}
)

// RequestError is why a request that was taken ended without a response. It wraps
// the receiver's own [ComponentError], or the [TrapError] that ended it (without its
// details), for errors.Is and errors.As. It is no [MessagingError], which says that
// nothing has happened.
type RequestError struct {
	Reason RequestErrorReason
	Text   string // details; empty where the fixed word says all
}

// Error returns the string that handle-callback is given: the fixed word, and
// after ": " the details.
func (e *RequestError) Error() string { return join(e.Reason.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *RequestError) ContractError() (kind, name, text string) {
	return "request-error", e.Reason.String(), e.Text
}

// Is reports whether target, of this package or of package guest, is a
// RequestError of the same reason and, if target has a text, of the same text; or the
// MessagingError with which the request was refused after it had been taken, as it
// is before that by a broker that knows.
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
		if i := slices.Index(messagingErrorNames[:], word); i >= 0 {
			return &MessagingError{MessagingErrorCase(i), details}
		}
		return &MessagingError{CaseUnavailable, e.Text}
	}
	return nil
}

// Unwrap returns how the receiver has answered or ended, which it reads from the
// text: that is all that comes through a guest's memory or from another host.
func (e *RequestError) Unwrap() error {
	word, details, _ := strings.Cut(e.Text, ": ")
	switch e.Reason {
	case ReasonFailed:
		if i := slices.Index(componentErrorNames[:], word); i >= 0 {
			return &ComponentError{ComponentErrorCase(i), details}
		}
		return &ComponentError{CaseFailed, e.Text}
	case ReasonTrapped:
		if i := slices.Index(trapKindNames[:], word); i >= 0 {
			return &TrapError{Kind: TrapKind(i), Text: details}
		}
	}
	return nil
}

// Answered returns how a request ends whose receiver has returned answer. The text
// begins with the answer's case, except for a failed whose own text cannot be taken
// for that.
func Answered(answer *ComponentError) *RequestError {
	plain := &RequestError{ReasonFailed, answer.Text}
	if word, _, _ := strings.Cut(answer.Text, ": "); answer.Case == CaseFailed && !slices.Contains(componentErrorNames[:], word) {
		return plain
	}
	return &RequestError{ReasonFailed, answer.Error()}
}

// Undelivered returns how a request ends that was taken and then refused.
func Undelivered(refusal *MessagingError) *RequestError {
	switch refusal.Case {
	case CaseTargetNotFound:
		return &RequestError{ReasonTargetNotFound, refusal.Text}
	case CaseUnavailable:
		return &RequestError{ReasonUnavailable, refusal.Text}
	}
	return &RequestError{ReasonUnavailable, refusal.Error()}
}

// ParseRequestError is the inverse of [RequestError.Error]. A text without a
// fixed word becomes a failure with that text.
func ParseRequestError(text string) *RequestError {
	word, details, _ := strings.Cut(text, ": ")
	for reason, name := range requestErrorNames {
		if word == name {
			return &RequestError{RequestErrorReason(reason), details}
		}
	}
	return &RequestError{ReasonFailed, text}
}
