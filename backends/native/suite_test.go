package native_test

import (
	"math"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/guest"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, enginetest.Harness{
		New:        func() (core.Engine, error) { return native.New(native.Config{}) },
		Actor:      native.Source(func() guest.Component { return new(actor) }),
		Responder:  native.Source(echo.New),
		Malformed:  core.Source{Value: "no function"},
		MaxTimeout: math.MaxInt64 / uint64(time.Millisecond),
	})
}

// actor is the suite's guest, written with package guest.
type actor struct{ enginetest.Actor }

func (a *actor) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	a.Host, a.Timers = actorHost{host}, actorHost{host}
	response, err := a.Actor.HandleMessage(sender, message)
	return response, toGuest(err)
}

func (a *actor) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	a.Host, a.Timers = actorHost{host}, actorHost{host}
	reason := ""
	if failure != nil {
		reason = failure.Error()
	}
	return toGuest(a.Actor.HandleCallback(core.RequestID(id), response, reason))
}

func (a *actor) Initialize(host guest.Host, config guest.Config) error {
	a.Host, a.Timers = actorHost{host}, actorHost{host}
	pairs := make([]core.ConfigPair, len(config))
	for i, pair := range config {
		pairs[i] = core.ConfigPair(pair)
	}
	return toGuest(a.Actor.Initialize(pairs))
}

func (a *actor) Health() guest.HealthStatus { return guest.HealthStatus(a.Actor.Health()) }

func (a *actor) Shutdown(host guest.Host) {
	a.Host, a.Timers = actorHost{host}, actorHost{host}
	a.Actor.Shutdown()
}

func (a *actor) Save(host guest.Host) ([]byte, error) {
	a.Host = actorHost{host}
	state, err := a.Actor.Save()
	return state, toGuest(err)
}

func (a *actor) Restore(host guest.Host, state []byte) error {
	a.Host = actorHost{host}
	return toGuest(a.Actor.Restore(state))
}

// toGuest translates an error of the actor for the guest.
func toGuest(err error) error {
	if e, ok := err.(*core.ComponentError); ok {
		return &guest.ComponentError{Case: guest.ComponentErrorCase(e.Case), Text: e.Text}
	}
	return err
}

// actorHost is a guest's host for the actor.
type actorHost struct{ guest.Host }

func (h actorHost) Send(target string, message []byte) error {
	return toCore(h.Host.Send(target, message))
}

func (h actorHost) Request(target string, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	id, err := h.Host.Request(target, request, time.Duration(timeoutMillis)*time.Millisecond)
	return core.RequestID(id), toCore(err)
}

func (h actorHost) Cancel(id core.RequestID) error {
	return toCore(h.Host.Cancel(guest.RequestID(id)))
}

func (h actorHost) Publish(topic string, message []byte) error {
	return toCore(h.Host.Publish(topic, message))
}

func (h actorHost) After(milliseconds uint64, payload []byte) (core.TimerID, error) {
	id, err := guest.After(h.Host, time.Duration(milliseconds)*time.Millisecond, payload)
	return core.TimerID(id), toCore(err)
}

func (h actorHost) CancelTimer(id core.TimerID) bool {
	return guest.CancelTimer(h.Host, guest.TimerID(id))
}

func (h actorHost) Call(function string, argument []byte) ([]byte, error) {
	result, err := h.Host.Call(function, argument)
	return result, toCore(err)
}

func (h actorHost) OpenBucket(name string) (enginetest.ActorBucket, error) {
	return guest.OpenBucket(h.Host, name)
}

func (h actorHost) Log(level core.LogLevel, message string) {
	h.Host.Log(guest.LogLevel(level), message)
}

func (h actorHost) Now() uint64 { return uint64(h.Host.Now().UnixNano()) }

func toCore(err error) error {
	if e, ok := err.(*guest.MessagingError); ok {
		return &core.MessagingError{Case: core.MessagingErrorCase(e.Case), Text: e.Text}
	}
	if e, ok := err.(*guest.CallError); ok {
		return &core.CallError{Case: core.CallErrorCase(e.Case), Text: e.Text}
	}
	return err
}
