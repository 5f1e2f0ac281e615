package process_test

import (
	"math"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

// roles are the functions that this test's executable runs as a plug-in, by role.
var roles = map[string]func(){
	"actor":     func() { plugin.Serve(new(actor)) },
	"responder": func() { plugin.Serve(echo.New()) },
}

const (
	roleVariable = "AIRHOST_TEST_ROLE"
	noRaceSleep  = "GORACE=atexit_sleep_ms=0" // saves the race detector's second at each exit
)

func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		role()
		return
	}
	goleak.VerifyTestMain(m)
}

// command returns the command that starts this test's executable in a role.
func command(role string) process.Command {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return process.Command{Path: path, Env: []string{roleVariable + "=" + role, noRaceSleep}}
}

func source(role string) core.Source { return process.Source(command(role)) }

func newEngine() (core.Engine, error) { return process.New(process.Config{}) }

func TestEngine(t *testing.T) {
	enginetest.Run(t, enginetest.Harness{
		New:        newEngine,
		Actor:      source("actor"),
		Responder:  source("responder"),
		Malformed:  core.Source{Path: "suite_test.go"},
		MaxTimeout: math.MaxInt64 / uint64(time.Millisecond),
	})
}

// actor is the suite's guest, written with package guest.
type actor struct{ enginetest.Actor }

func (a *actor) prepare(host guest.Host) {
	a.Host, a.Timers = actorHost{host}, actorHost{host}
	a.Loop = func() { select {} }
	a.Later = func(f func()) { go f() }
}

func (a *actor) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	a.prepare(host)
	response, err := a.Actor.HandleMessage(sender, message)
	return response, toGuest(err)
}

func (a *actor) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	a.prepare(host)
	reason := ""
	if failure != nil {
		reason = failure.Error()
	}
	return toGuest(a.Actor.HandleCallback(core.RequestID(id), response, reason))
}

func (a *actor) Initialize(host guest.Host, config guest.Config) error {
	a.prepare(host)
	pairs := make([]core.ConfigPair, len(config))
	for i, pair := range config {
		pairs[i] = core.ConfigPair(pair)
	}
	return toGuest(a.Actor.Initialize(pairs))
}

func (a *actor) Health() guest.HealthStatus { return guest.HealthStatus(a.Actor.Health()) }

func (a *actor) Shutdown(host guest.Host) {
	a.prepare(host)
	a.Actor.Shutdown()
}

func (a *actor) Save(host guest.Host) ([]byte, error) {
	a.prepare(host)
	state, err := a.Actor.Save()
	return state, toGuest(err)
}

func (a *actor) Restore(host guest.Host, state []byte) error {
	a.prepare(host)
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
