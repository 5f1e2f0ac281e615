package native

import (
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// services is an instance as its component sees it. The host refuses calls with
// unavailable when no method of the component runs or when the call was interrupted.
// A component that calls the host from another goroutine while a method runs breaks
// the rules of [guest.Host]; the race detector reports it.
type services instance

var _ guest.Host = (*services)(nil)

var errOutsideCall = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call"}

// refused reports whether no method runs, or the running one was interrupted.
func (s *services) refused() bool { return !s.busy || s.state.Load() != alive }

func (s *services) Send(target string, message []byte) error {
	if s.refused() {
		return errOutsideCall
	}
	if err := s.host.SendMessage(s.bytes(target), message); err != nil {
		return guestError(err)
	}
	return nil
}

func (s *services) Request(target string, request []byte, timeout time.Duration) (guest.RequestID, error) {
	if s.refused() {
		return 0, errOutsideCall
	}
	millis, err := guest.TimeoutMillis(timeout)
	if err != nil {
		return 0, err
	}
	id, err := s.host.SendRequest(s.bytes(target), request, millis)
	if err != nil {
		return 0, guestError(err)
	}
	return guest.RequestID(id), nil
}

func (s *services) Cancel(id guest.RequestID) error {
	if s.refused() {
		return errOutsideCall
	}
	if err := s.host.CancelRequest(core.RequestID(id)); err != nil {
		return guestError(err)
	}
	return nil
}

func (s *services) SelfID() string { return s.id }

func (s *services) Log(level guest.LogLevel, message string) {
	if !s.refused() {
		s.host.Log(min(core.LogLevel(level), core.LogError), []byte(strings.ToValidUTF8(message, "\uFFFD")))
	}
}

func (s *services) Now() time.Time {
	if s.refused() {
		return time.Now()
	}
	return time.Unix(0, int64(s.host.Now()))
}

// bytes returns the bytes of text. They are valid until the next call.
func (s *services) bytes(text string) []byte {
	s.scratch = append(s.scratch[:0], text...)
	return s.scratch
}

func guestError(err error) error {
	e := core.AsMessagingError(err)
	return &guest.MessagingError{Case: guest.MessagingErrorCase(e.Case), Text: e.Text}
}
