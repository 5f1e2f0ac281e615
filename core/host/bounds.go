package host

import (
	"errors"

	"github.com/airhost/airhost/core"
)

// Guests, engines, brokers and trackers choose the texts of their errors, and may
// choose long ones. Each is cut where it comes in, so that the host keeps, logs and
// passes on no text longer than core.MaxErrorText, or core.MaxDetails for a trap's
// details and a module's problems. Secrets of components are taken out of it before.

// bounds bounds texts, and takes secrets out of them.
type bounds struct{ secrets *core.Redactor }

// boundError is [bounds.error], for errors that do not come from guests.
func boundError(err error) error { return bounds{}.error(err) }

// cut returns a text of at most most bytes, without secrets.
func (b bounds) cut(text string, most int) string { return b.clean(core.CutText(text, most), most) }

// cutBytes is cut for bytes, of which it copies no more than it needs.
func (b bounds) cutBytes(text []byte, most int) string {
	return b.clean(core.CutText(text, most), most)
}

// clean returns a text without secrets, of at most most bytes. The text has at most as many.
func (b bounds) clean(text string, most int) string {
	if !b.secrets.Knows() {
		return text
	}
	return core.CutText(b.secrets.Text(text), most)
}

// text returns an error's text, cut.
func (b bounds) text(err error) string { return b.cut(err.Error(), core.MaxErrorText) }

// fit reports whether a text may stay as it is.
func (b bounds) fit(text string, most int) bool {
	return len(text) <= most && (!b.secrets.Knows() || b.secrets.Text(text) == text)
}

// error returns err or, where a text in it is too long or has a secret, an error that stands
// for it and holds no such text.
func (b bounds) error(err error) error {
	if b.fits(err) {
		return err
	}
	switch e := err.(type) {
	case *core.ComponentError:
		return b.answer(e)
	case *core.RequestError:
		return b.requestError(e, core.MaxErrorText)
	case *core.MessagingError:
		return b.refusal(e)
	case *core.TrapError:
		return &core.TrapError{Kind: e.Kind, Text: b.cut(e.Text, core.MaxErrorText),
			Details: b.cut(e.Details, core.MaxDetails), Stderr: b.cut(e.Stderr, core.MaxStderr)}
	case *core.ModuleError:
		return b.moduleError(e)
	case *core.LimitError:
		return &core.LimitError{Limit: b.cut(e.Limit, core.MaxErrorText/4), Got: e.Got, Max: e.Max, Unit: b.cut(e.Unit, core.MaxErrorText/4)}
	}
	short := &shortened{text: b.text(err)}
	wrapped := unwrap(err)
	for _, w := range wrapped[:min(len(wrapped), maxWrapped)] {
		short.wrapped = append(short.wrapped, b.error(w))
	}
	return short
}

// maxWrapped is how many errors one may wrap.
const maxWrapped = 64

// fits reports whether the texts of err, and of all errors that it wraps, may stay as they
// are.
func (b bounds) fits(err error) bool {
	most := core.MaxErrorText
	switch e := err.(type) {
	case nil, *ending:
		return true
	case *core.TrapError:
		return b.fit(e.Text, core.MaxErrorText) && b.fit(e.Details, core.MaxDetails) && b.fit(e.Stderr, core.MaxStderr)
	case *core.ModuleError:
		most = core.MaxDetails
	}
	if !b.fit(err.Error(), most) {
		return false
	}
	wrapped := unwrap(err)
	for _, w := range wrapped {
		if !b.fits(w) {
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

func (b bounds) answer(e *core.ComponentError) *core.ComponentError {
	if b.fit(e.Text, core.MaxErrorText) {
		return e
	}
	return &core.ComponentError{Case: e.Case, Text: b.cut(e.Text, core.MaxErrorText)}
}

func (b bounds) refusal(e *core.MessagingError) *core.MessagingError {
	if b.fit(e.Text, core.MaxErrorText) {
		return e
	}
	return &core.MessagingError{Case: e.Case, Text: b.cut(e.Text, core.MaxErrorText)}
}

// boundRequestError is [bounds.requestError], for errors that were bounded where they came in.
func boundRequestError(e *core.RequestError, most int) *core.RequestError {
	return bounds{}.requestError(e, most)
}

// requestError returns e, which may be nil, with a text of at most most bytes.
func (b bounds) requestError(e *core.RequestError, most int) *core.RequestError {
	if e == nil || b.fit(e.Text, most) {
		return e
	}
	return &core.RequestError{Reason: e.Reason, Text: b.cut(e.Text, most)}
}

// moduleError keeps the first problems, as many as core.MaxDetails has place
// for.
func (b bounds) moduleError(e *core.ModuleError) *core.ModuleError {
	kept := &core.ModuleError{Source: b.cut(e.Source, core.MaxErrorText), Cause: b.error(e.Cause)}
	size := len(kept.Source)
	for _, problem := range e.Problems {
		problem = b.cut(problem, core.MaxErrorText)
		if size += len(problem) + len("; "); size > core.MaxDetails {
			kept.Problems = append(kept.Problems, "more problems are left out")
			break
		}
		kept.Problems = append(kept.Problems, problem)
	}
	return kept
}

// refusalOf is [core.AsMessagingError], cut.
func refusalOf(err error) *core.MessagingError { return bounds{}.refusal(core.AsMessagingError(err)) }

// answerOf returns the guest's answer that err is or wraps, cut, or nil.
func (b bounds) answerOf(err error) *core.ComponentError {
	var answer *core.ComponentError
	if !errors.As(err, &answer) {
		return nil
	}
	return b.answer(answer)
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
func (b bounds) endingOf(err error) error {
	switch err.(type) {
	case nil, *ending:
		return err
	}
	e := &ending{cause: b.error(err)}
	e.text = b.text(e.cause)
	e.outcome = &core.RequestError{Reason: core.ReasonTrapped, Text: e.text}
	if trap := (*core.TrapError)(nil); errors.As(e.cause, &trap) {
		e.outcome.Text = b.cut(trap.Kind.String()+": "+trap.Text, core.MaxErrorText)
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
