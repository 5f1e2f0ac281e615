package host

import (
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// services is the host as the instances of one version of a component see it. A
// replacement makes it serve another component, between two calls.
type services struct {
	component atomic.Pointer[component]
	wished    atomic.Uint32 // the duties that the instance has asked for, until one is done
}

var (
	_ core.Services  = (*services)(nil)
	_ core.Timers    = (*services)(nil)
	_ core.Functions = (*services)(nil)
	_ core.KeyValue  = (*services)(nil)
	_ core.HTTP      = (*services)(nil)
	_ core.Settings  = (*services)(nil)
	_ core.Publisher = (*services)(nil)
)

func newServices(c *component) *services {
	s := new(services)
	s.component.Store(c)
	return s
}

// SendMessage implements [core.Services].
func (s *services) SendMessage(target, message []byte) error {
	return s.component.Load().SendMessage(target, message)
}

// SendRequest implements [core.Services].
func (s *services) SendRequest(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	return s.component.Load().SendRequest(target, request, timeoutMillis)
}

// CancelRequest implements [core.Services].
func (s *services) CancelRequest(id core.RequestID) error {
	return s.component.Load().CancelRequest(id)
}

// Log implements [core.Services].
func (s *services) Log(level core.LogLevel, message []byte) { s.component.Load().Log(level, message) }

// Now implements [core.Services].
func (s *services) Now() uint64 { return s.component.Load().Now() }

// After implements [core.Timers].
func (s *services) After(milliseconds uint64, payload []byte) (core.TimerID, error) {
	return s.component.Load().After(milliseconds, payload)
}

// CancelTimer implements [core.Timers].
func (s *services) CancelTimer(id core.TimerID) bool { return s.component.Load().CancelTimer(id) }

// CallFunction implements [core.Functions].
func (s *services) CallFunction(name, argument []byte) ([]byte, error) {
	return s.component.Load().CallFunction(name, argument)
}

// Publish implements [core.Publisher].
func (s *services) Publish(topic, message []byte) error {
	return s.component.Load().Publish(topic, message)
}

func (s *services) reconcile() (response *[]byte) { return s.component.Load().reconcile() }

// askHealth is called by an instance on any goroutine.
func (s *services) askHealth() { s.wish(dueHealth).askFor(dueHealth) }

// askTurn is called by an instance on any goroutine.
func (s *services) askTurn() { s.wish(dueTurn).askFor(dueTurn) }

// wish returns the component to ask for a duty. The instance may belong to another one before that has
// been asked: then that one finds the wish; see setVersionLocked.
func (s *services) wish(d duty) *component {
	s.wished.Or(uint32(d))
	return s.component.Load()
}
