// Package enginetest is a suite that tests a [core.Engine] against its contract. An
// engine's own test calls it:
//
//	func TestEngine(t *testing.T) {
//		enginetest.Run(t, enginetest.Harness{
//			New:       func() (core.Engine, error) { return wazero.New(wazero.Config{}) },
//			Actor:     enginetest.ActorWasm(),
//			Responder: enginetest.ResponderWasm(),
//			Malformed: core.Source{Code: []byte("no WebAssembly")},
//		})
//	}
//
// Each subtest checks one promise of the interface and prints it if it is broken. An
// engine that runs WebAssembly also calls [RunWasm], which has guests that attack the
// engine.
package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// Harness makes the engine under test, and has the guests of the suite in the form that
// the engine runs.
type Harness struct {
	// New returns an engine. The suite closes it.
	New func() (core.Engine, error)
	// Actor behaves as [Actor] does.
	Actor core.Source
	// Buckets, if not zero, is the actor with key-value. Then Actor has none.
	Buckets core.Source
	// Responder has only handle-message, which returns the message.
	Responder core.Source
	// Malformed is code that the engine must refuse.
	Malformed core.Source
	// MaxTimeout is the largest timeout in milliseconds in Actor's language; 0 stands
	// for 64 bits.
	MaxTimeout uint64
}

// Run runs the suite.
func Run(t *testing.T, h Harness) { runAll(t, h, promises()) }

// T is the part of a [testing.T] that the suite uses.
type T interface {
	Context() context.Context
	Helper()
	Errorf(format string, args ...any)
	FailNow()
}

// promise is a promise of the contract, with the test that checks it.
type promise struct {
	name string // of the subtest
	text string
	test func(*trial)
}

func promises() []promise {
	var all []promise
	for _, some := range [][]promise{
		enginePromises, messagePromises, servicePromises, callbackPromises, managementPromises,
		statePromises, timerPromises, functionPromises, keyValuePromises, publishPromises, ledgerPromises, endPromises, interruptPromises, limitPromises, memoryPromises, turnPromises,
	} {
		all = append(all, some...)
	}
	return all
}

func runAll(t *testing.T, h Harness, all []promise) {
	s := newSubject(h)
	defer s.close(t)
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) { p.try(t, s) })
	}
}

func (p promise) try(t T, s *subject) {
	t.Helper()
	tr := &trial{T: t, subject: s, promise: p.text}
	defer tr.cleanUp()
	p.test(tr)
}

// subject is the engine under test, with its compiled components.
type subject struct {
	Harness
	engine    core.Engine
	compiled  map[guestKey]core.Component
	resources []func(context.Context) error
	patience  time.Duration
}

// newSubject returns a subject with patience for the slowest machine.
func newSubject(h Harness) *subject {
	return &subject{Harness: h, compiled: map[guestKey]core.Component{}, patience: 30 * time.Second}
}

// guestKey is the key of a compiled guest.
type guestKey struct {
	name   string
	limits core.Limits
}

func (s *subject) close(t T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	for i := len(s.resources) - 1; i >= 0; i-- {
		if err := s.resources[i](ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// trial is one run of a promise's test.
type trial struct {
	T
	*subject
	promise  string
	cleanups []func()
}

func (t *trial) cleanUp() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// broken reports that the promise is broken.
func (t *trial) broken(format string, args ...any) {
	t.Helper()
	t.Errorf("broken promise: %s\n%s", t.promise, fmt.Sprintf(format, args...))
}

// must ends the trial if err, of a step before the promised one, is not nil.
func (t *trial) must(what string, err error) {
	t.Helper()
	if err != nil {
		t.broken("%s: got %v\nwant no error", what, err)
		t.FailNow()
	}
}

// want reports the promise as broken if got differs from want.
func want[V any](t *trial, what string, got, want V) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.broken("%s: got %s\nwant %s", what, show(got), show(want))
	}
}

// show formats a value, and cuts its text.
func show(v any) string {
	text := fmt.Sprintf("%v", v)
	if b, ok := v.([]byte); ok {
		text = fmt.Sprintf("%q", b)
	}
	if len(text) > 300 {
		return fmt.Sprintf("%s… (%d bytes)", text[:300], len(text))
	}
	return text
}

// wantError checks an error by errors.Is.
func (t *trial) wantError(what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.broken("%s: got %v\nwant %v", what, got, want)
	}
}

// wantTrap checks that err is a TrapError of a kind, and returns it.
func (t *trial) wantTrap(what string, err error, kind core.TrapKind) *core.TrapError {
	t.Helper()
	var trap *core.TrapError
	switch {
	case !errors.As(err, &trap):
		t.broken("%s: got %T: %v\nwant a TrapError of kind %v", what, err, err, kind)
	case trap.Kind != kind:
		t.broken("%s: got %v (kind %v)\nwant kind %v", what, err, trap.Kind, kind)
	case errors.As(err, new(*core.ComponentError)):
		t.broken("%s: got %v, which is a ComponentError too\nwant a TrapError alone", what, err)
	}
	return trap
}

// engineUnderTest returns the engine that all trials share.
func (t *trial) engineUnderTest() core.Engine {
	t.Helper()
	if t.engine == nil {
		engine, err := t.New()
		t.must("make an engine", err)
		t.engine = engine
		t.resources = append(t.resources, engine.Close)
	}
	return t.engine
}

// component compiles a guest, once for all trials with the same name and limits.
func (t *trial) component(name string, src core.Source, limits core.Limits) core.Component {
	t.Helper()
	limits = patient(limits)
	engine, key := t.engineUnderTest(), guestKey{name, limits}
	if c := t.compiled[key]; c != nil {
		return c
	}
	c, err := engine.Compile(t.Context(), src, limits)
	t.must("compile "+name, err)
	t.compiled[key] = c
	t.resources = append(t.resources, c.Close)
	return c
}

// self is the id of all instances.
var self = core.MustComponentID("suite/actor")

// other is the id of the sender of all messages.
var other = core.MustComponentID("suite/other")

// actor makes an instance of the actor, and its services.
func (t *trial) actor() (core.Instance, *Services) {
	t.Helper()
	return t.instance(t.theActor(), core.Limits{})
}

// responder makes an instance of the responder, and its services.
func (t *trial) responder() (core.Instance, *Services) {
	t.Helper()
	return t.instance(t.component("responder", t.Responder, core.Limits{}), core.Limits{})
}

// patient sets a StartTime for the slowest machine, unless limits has one.
func patient(limits core.Limits) core.Limits {
	limits.StartTime = cmp.Or(limits.StartTime, time.Minute)
	return limits
}

func (t *trial) instance(c core.Component, limits core.Limits) (core.Instance, *Services) {
	t.Helper()
	host := &Services{}
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: host, Timers: host, Functions: host, KeyValue: host, Publisher: host, HTTP: host, Files: host, Limits: patient(limits)})
	t.must("make an instance", err)
	t.cleanups = append(t.cleanups, func() { t.must("close an instance", in.Close()) })
	return in, host
}

// ask sends a message and returns the response.
func (t *trial) ask(in core.Instance, message ...any) []byte {
	t.Helper()
	response, err := try(in, message...)
	t.must("handle-message", err)
	return response
}

func try(in core.Instance, message ...any) ([]byte, error) {
	response := []byte{}
	err := in.HandleMessage(other, bytesOf(message...), &response)
	return response, err
}

// bytesOf concatenates strings, bytes, and numbers of 8 bytes.
func bytesOf(parts ...any) []byte {
	var b []byte
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			b = append(b, part...)
		case []byte:
			b = append(b, part...)
		case byte:
			b = append(b, part)
		case uint64:
			b = append(b, number(part)...)
		default:
			panic(fmt.Sprintf("%T", part))
		}
	}
	return b
}

// soon calls f, and ends the trial if f does not return in time.
func (t *trial) soon(what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(t.patience):
		t.broken("%s: got no end\nwant one soon", what)
		t.FailNow()
	}
}
