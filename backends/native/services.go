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

var (
	_ guest.TimerHost    = (*services)(nil)
	_ guest.KeyValueHost = (*services)(nil)
	_ guest.FileHost     = (*services)(nil)
)

var (
	errOutsideCall = &guest.MessagingError{Case: guest.CaseUnavailable, Text: "outside of a call"}
	errCallOutside = &guest.CallError{Case: guest.CallUnavailable, Text: errOutsideCall.Text}
)

// refused reports whether no method runs, or the running one was interrupted.
func (s *services) refused() bool { return !s.busy || s.state.Load() != alive }

func (s *services) Send(target string, message []byte) error {
	if s.refused() {
		return errOutsideCall
	}
	if s.allows(target, message) && s.ledger.Sides[0].Credit.Messages {
		s.sendByCredit(core.TransferMessage, message, 0)
		return nil
	}
	s.turnToHost()
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
	if s.allows(target, request) && len(s.ledger.Sides[0].Requests) > 0 && millis <= longestTimeout {
		s.sendByCredit(core.TransferRequest, request, millis)
		return guest.RequestID(s.ledger.Sides[0].Requests[0]), nil
	}
	s.turnToHost()
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
	s.turnToHost()
	if err := s.host.CancelRequest(core.RequestID(id)); err != nil {
		return guestError(err)
	}
	return nil
}

func (s *services) Publish(topic string, message []byte) error {
	if s.refused() {
		return errOutsideCall
	}
	s.turnToHost()
	if err := s.publisher.Publish(s.bytes(topic), message); err != nil {
		return guestError(err)
	}
	return nil
}

func (s *services) After(delay time.Duration, payload []byte) (guest.TimerID, error) {
	if s.refused() {
		return 0, errOutsideCall
	}
	s.turnToHost()
	id, err := s.timers.After(guest.DelayMillis(delay), payload)
	if err != nil {
		return 0, guestError(err)
	}
	return guest.TimerID(id), nil
}

func (s *services) CancelTimer(id guest.TimerID) bool {
	if s.refused() {
		return false
	}
	s.turnToHost()
	return s.timers.CancelTimer(core.TimerID(id))
}

func (s *services) Call(function string, argument []byte) ([]byte, error) {
	if s.refused() {
		return nil, errCallOutside
	}
	s.turnToHost()
	result, err := s.functions.CallFunction(s.bytes(function), argument)
	if err != nil {
		e := core.AsCallError(err)
		return nil, &guest.CallError{Case: guest.CallErrorCase(e.Case), Text: e.Text}
	}
	return append([]byte(nil), result...), nil // the component's own
}

func (s *services) SelfID() string { return s.id }

func (s *services) Log(level guest.LogLevel, message string) {
	if !s.refused() {
		s.turnToHost()
		s.host.Log(min(core.LogLevel(level), core.LogError), []byte(strings.ToValidUTF8(message, "\uFFFD")))
	}
}

func (s *services) Now() time.Time {
	if s.refused() || s.ledger != nil { // a host with a ledger has the same clock
		return time.Now()
	}
	return time.Unix(0, int64(s.host.Now()))
}

// longestTimeout is core.MaxTimeout in milliseconds.
const longestTimeout = uint64(core.MaxTimeout / time.Millisecond)

// allows reports whether the ledger may answer a message or request to target.
func (s *services) allows(target string, message []byte) bool {
	if !s.creditLeft {
		return false
	}
	credit := s.ledger.Sides[0].Credit
	return credit != nil && len(message) <= credit.MaxSize && target == credit.Target
}

// sendByCredit leaves a message or request to the host, which sends it after the call.
func (s *services) sendByCredit(kind core.TransferKind, message []byte, millis uint64) {
	s.creditLeft = false
	open := &s.ledger.Open
	open.Kind, open.Payload, open.TimeoutMillis = kind, append(open.Payload[:0], message...), millis
}

// turnToHost comes before each call of the host. The host sends what the component has
// sent by its credit, and the ledger allows nothing more in this call.
func (s *services) turnToHost() {
	s.creditLeft = false
	if s.ledger != nil && s.ledger.Open.Kind != core.TransferNone {
		s.ledger.Reconcile()
	}
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
