package host

import (
	"errors"

	"github.com/airhost/airhost/core"
)

// Guests, engines, brokers and trackers choose the texts of their errors, and may
// choose long ones. Each is cut where it comes in, so that the host keeps, logs and
// passes on no text longer than core.MaxErrorText, or core.MaxDetails for a trap's
// details and a module's problems.

// boundText returns an error's text, cut.
func boundText(err error) string { return core.CutText(err.Error(), core.MaxErrorText) }

// boundError returns err or, where a text in it is too long, an error that stands
// for it and holds no long text.
func boundError(err error) error {
	if fits(err) {
		return err
	}
	switch e := err.(type) {
	case *core.ComponentError:
		return boundAnswer(e)
	case *core.RequestError:
		return boundRequestError(e, core.MaxErrorText)
	case *core.MessagingError:
		return boundRefusal(e)
	case *core.TrapError:
		return &core.TrapError{Kind: e.Kind, Text: core.CutText(e.Text, core.MaxErrorText),
			Details: core.CutText(e.Details, core.MaxDetails), Stderr: core.CutText(e.Stderr, core.MaxStderr)}
	case *core.ModuleError:
		return boundModuleError(e)
	case *core.LimitError:
		return &core.LimitError{Limit: core.CutText(e.Limit, core.MaxErrorText/4), Got: e.Got, Max: e.Max, Unit: core.CutText(e.Unit, core.MaxErrorText/4)}
	}
	short := &shortened{text: boundText(err)}
	wrapped := unwrap(err)
	for _, w := range wrapped[:min(len(wrapped), maxWrapped)] {
		short.wrapped = append(short.wrapped, boundError(w))
	}
	return short
}

// maxWrapped is how many errors one may wrap.
const maxWrapped = 64

// fits reports whether the texts of err, and of all errors that it wraps, are short
// enough.
func fits(err error) bool {
	most := core.MaxErrorText
	switch e := err.(type) {
	case nil, *ending:
		return true
	case *core.TrapError:
		return len(e.Text) <= core.MaxErrorText && len(e.Details) <= core.MaxDetails && len(e.Stderr) <= core.MaxStderr
	case *core.ModuleError:
		most = core.MaxDetails
	}
	if len(err.Error()) > most {
		return false
	}
	wrapped := unwrap(err)
	for _, w := range wrapped {
		if !fits(w) {
			return false
		}
	}
	return len(wrapped) <= maxWrapped
}

func unwrap(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	case interface{ Unwrap() error }:
		if wrapped := e.Unwrap(); wrapped != nil {
			return []error{wrapped}
		}
	}
	return nil
}

// shortened stands for an error with a text that was too long. It wraps the same
// errors.
type shortened struct {
	text    string
	wrapped []error
}

func (e *shortened) Error() string   { return e.text }
func (e *shortened) Unwrap() []error { return e.wrapped }

func boundAnswer(e *core.ComponentError) *core.ComponentError {
	if len(e.Text) <= core.MaxErrorText {
		return e
	}
	return &core.ComponentError{Case: e.Case, Text: core.CutText(e.Text, core.MaxErrorText)}
}

func boundRefusal(e *core.MessagingError) *core.MessagingError {
	if len(e.Text) <= core.MaxErrorText {
		return e
	}
	return &core.MessagingError{Case: e.Case, Text: core.CutText(e.Text, core.MaxErrorText)}
}

// boundRequestError returns e, which may be nil, with a text of at most most bytes.
func boundRequestError(e *core.RequestError, most int) *core.RequestError {
	if e == nil || len(e.Text) <= most {
		return e
	}
	return &core.RequestError{Reason: e.Reason, Text: core.CutText(e.Text, most)}
}

// boundModuleError keeps the first problems, as many as core.MaxDetails has place
// for.
func boundModuleError(e *core.ModuleError) *core.ModuleError {
	kept := &core.ModuleError{Source: core.CutText(e.Source, core.MaxErrorText), Cause: boundError(e.Cause)}
	size := len(kept.Source)
	for _, problem := range e.Problems {
		problem = core.CutText(problem, core.MaxErrorText)
		if size += len(problem) + len("; "); size > core.MaxDetails {
			kept.Problems = append(kept.Problems, "more problems are left out")
			break
		}
		kept.Problems = append(kept.Problems, problem)
	}
	return kept
}

// refusalOf is [core.AsMessagingError], cut.
func refusalOf(err error) *core.MessagingError { return boundRefusal(core.AsMessagingError(err)) }

// answerOf returns the guest's answer that err is or wraps, cut, or nil.
func answerOf(err error) *core.ComponentError {
	var answer *core.ComponentError
	if !errors.As(err, &answer) {
		return nil
	}
	return boundAnswer(answer)
}

// ending is why an instance has ended. It is made once, for all messages that end
// with the instance: they share its texts.
type ending struct {
	cause   error
	text    string
	outcome *core.RequestError
}

func (e *ending) Error() string { return e.text }
func (e *ending) Unwrap() error { return e.cause }

// endingOf returns the ending of an instance that err has ended, or nil.
func endingOf(err error) error {
	switch err.(type) {
	case nil, *ending:
		return err
	}
	e := &ending{cause: boundError(err)}
	e.text = boundText(e.cause)
	e.outcome = &core.RequestError{Reason: core.ReasonTrapped, Text: e.text}
	if trap := (*core.TrapError)(nil); errors.As(e.cause, &trap) {
		e.outcome.Text = core.CutText(trap.Kind.String()+": "+trap.Text, core.MaxErrorText)
	}
	return e
}

// requestError is how a requester is told of a handle-message that has failed: by
// the guest's answer, or by the end of its instance.
func requestError(answer *core.ComponentError, trap error) *core.RequestError {
	if trap != nil {
		return trap.(*ending).outcome
	}
	return core.Answered(answer)
}
