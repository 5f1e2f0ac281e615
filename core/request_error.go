package core

import (
	"fmt"
	"slices"
	"strings"
)

// RequestErrorReason says why a request ended without a response. The error string
// of handle-callback begins with its name, which is a fixed word.
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

// RequestError says why a request that the host had accepted ended without a
// response. For errors.Is and errors.As it wraps the receiver's [ComponentError], or
// the [TrapError] of the receiver without its details. A [MessagingError], in
// contrast, says that the host did not accept the request.
type RequestError struct {
	Reason RequestErrorReason
	Text   string // details; may be empty
}

// Error returns the error string for handle-callback: the fixed word and, after ": ",
// the details.
func (e *RequestError) Error() string { return join(e.Reason.String(), e.Text) }

// ContractError returns the error in the contract's words, for errors.Is.
func (e *RequestError) ContractError() (kind, name, text string) {
	return "request-error", e.Reason.String(), e.Text
}

// Is reports whether target is a RequestError, of this package or of package guest,
// with the same reason and, if target has a text, the same text. It also matches the
// MessagingError of a refusal that came after the request had been accepted, so that
// a caller need not know how early its broker finds out.
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

// Unwrap returns the receiver's ComponentError or TrapError. It parses Text, because
// only text comes through a guest's memory or from another host.
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

// Answered returns the error of a request that its receiver answered with answer. The
// text begins with the case of the answer. It is left out for CaseFailed, unless the
// text of the answer itself begins like a case.
func Answered(answer *ComponentError) *RequestError {
	plain := &RequestError{ReasonFailed, answer.Text}
	if word, _, _ := strings.Cut(answer.Text, ": "); answer.Case == CaseFailed && !slices.Contains(componentErrorNames[:], word) {
		return plain
	}
	return &RequestError{ReasonFailed, answer.Error()}
}

// Undelivered returns the error of a request that was accepted and refused later.
func Undelivered(refusal *MessagingError) *RequestError {
	switch refusal.Case {
	case CaseTargetNotFound:
		return &RequestError{ReasonTargetNotFound, refusal.Text}
	case CaseUnavailable:
		return &RequestError{ReasonUnavailable, refusal.Text}
	}
	return &RequestError{ReasonUnavailable, refusal.Error()}
}

// ParseRequestError is the inverse of [RequestError.Error]. A text without a fixed
// word gets the reason ReasonFailed.
func ParseRequestError(text string) *RequestError {
	word, details, _ := strings.Cut(text, ": ")
	for reason, name := range requestErrorNames {
		if word == name {
			return &RequestError{RequestErrorReason(reason), details}
		}
	}
	return &RequestError{ReasonFailed, text}
}
