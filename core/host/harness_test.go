package host_test

import (
	"context"
	"errors"

	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parts are the implementations that a test's host is made of.
type parts struct {
	name      string
	broker    func() (core.Broker, error)
	tracker   func() (core.Tracker, error)
	exchanged *atomic.Int64 // calls after the first of exchanges; nil: the engines do not exchange
	plain     bool          // the engines keep no ledger
	chained   *atomic.Int64 // if not nil, some tests add calls of chains
	others    []core.Engine // besides native and toy
}

// engine returns the engine of Go components.
func (p parts) engine() (core.Engine, error) {
	engine, err := native.New(native.Config{})
	switch {
	case p.plain:
		return plain{engine}, err
	case p.exchanged != nil:
		return exchanging{engine, p.exchanged}, err
	}
	return engine, err // it keeps a ledger
}

// toys returns the engine of toys.
func (p parts) toys() core.Engine {
	if p.plain {
		return toyEngine{}
	}
	return exchanging{toyEngine{}, p.exchanged}
}

func newInproc() (core.Broker, error)    { return inproc.New(inproc.Config{}) }
func newChannel() (core.Broker, error)   { return channel.New(channel.Config{}) }
func newSlab() (core.Tracker, error)     { return slab.New(slab.Config{}) }
func newTimermap() (core.Tracker, error) { return timermap.New(timermap.Config{}) }

var allParts = []parts{
	{name: "inproc-slab", broker: newInproc, tracker: newSlab},
	{name: "inproc-timermap", broker: newInproc, tracker: newTimermap},
	{name: "channel-slab", broker: newChannel, tracker: newSlab},
	{name: "channel-timermap", broker: newChannel, tracker: newTimermap},
	{name: "plain-slab", broker: newInproc, tracker: newSlab, plain: true},
	{name: "exchanging-slab", broker: newInproc, tracker: newSlab, exchanged: new(atomic.Int64)},
	{name: "exchanging-timermap", broker: newInproc, tracker: newTimermap, exchanged: new(atomic.Int64)},
}

// everyPart runs a test on each broker with each tracker.
func everyPart(t *testing.T, test func(t *testing.T, p parts)) {
	for _, p := range allParts {
		t.Run(p.name, func(t *testing.T) { test(t, p) })
	}
}

// testHost is a host under test.
type testHost struct {
	*host.Host
	t       testing.TB
	log     *hosttest.Log
	stopped atomic.Bool // by the test itself
}

func (h *testHost) Stop(ctx context.Context) error {
	h.stopped.Store(true)
	return h.Host.Stop(ctx)
}

// start returns a running host that stops with the test.
func start(t testing.TB, config host.Config) *testHost {
	return parts{broker: newInproc, tracker: newSlab}.start(t, config)
}

func (p parts) start(t testing.TB, config host.Config) *testHost {
	t.Helper()
	broker, err := p.broker()
	check(t, err)
	tracker, err := p.tracker()
	check(t, err)
	engine, err := p.engine()
	check(t, err)
	log := new(hosttest.Log)
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	h, err := host.New(config, broker, tracker, append([]core.Engine{engine, p.toys()}, p.others...)...)
	check(t, err)
	check(t, h.Start(context.Background()))
	test := &testHost{Host: h, t: t, log: log}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := h.Stop(ctx); !test.stopped.Load() {
			check(t, err)
		}
	})
	return test
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within returns a context with a deadline that no test reaches.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func id(text string) core.ComponentID { return core.MustComponentID(text) }

// all grants every target.
func all() host.Capabilities {
	pattern, err := core.ParseIDPattern("*")
	if err != nil {
		panic(err)
	}
	return host.Capabilities{Send: []core.IDPattern{pattern}, Request: []core.IDPattern{pattern}}
}

func grant(t testing.TB, patterns ...string) []core.IDPattern {
	t.Helper()
	var granted []core.IDPattern
	for _, text := range patterns {
		pattern, err := core.ParseIDPattern(text)
		check(t, err)
		granted = append(granted, pattern)
	}
	return granted
}

// behaviour is a component made of functions; those that are nil do nothing.
type behaviour struct {
	message  func(h guest.Host, sender string, message []byte) ([]byte, error)
	callback func(h guest.Host, id guest.RequestID, response []byte, failure error) error
	start    func(h guest.Host, config guest.Config) error
	health   func() guest.HealthStatus
	shutdown func(h guest.Host)
}

func (b behaviour) HandleMessage(h guest.Host, sender string, message []byte) ([]byte, error) {
	if b.message == nil {
		return nil, nil
	}
	return b.message(h, sender, message)
}

func (b behaviour) HandleCallback(h guest.Host, id guest.RequestID, response []byte, failure error) error {
	if b.callback == nil {
		return nil
	}
	return b.callback(h, id, response, failure)
}

func (b behaviour) Initialize(h guest.Host, config guest.Config) error {
	if b.start == nil {
		return nil
	}
	return b.start(h, config)
}

func (b behaviour) Health() guest.HealthStatus {
	if b.health == nil {
		return guest.Healthy
	}
	return b.health()
}

func (b behaviour) Shutdown(h guest.Host) {
	if b.shutdown != nil {
		b.shutdown(h)
	}
}

// responder answers, and can send no requests.
type responder func(message []byte) ([]byte, error)

func (r responder) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	return r(message)
}

var echo = behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) { return message, nil }}

func deployment(name string, component guest.Component) host.Deployment {
	return host.Deployment{
		ID: id(name), Engine: native.Name, Capabilities: all(),
		Source: native.Source(func() guest.Component { return component }),
		Quota:  host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1e6},
		Limits: core.Limits{HandlerTime: time.Minute}, // a handler may wait for the test, on a busy machine
	}
}

func (h *testHost) deploy(name string, component guest.Component) {
	h.t.Helper()
	check(h.t, h.Deploy(within(h.t), deployment(name, component)))
}

func (h *testHost) request(target, payload string) (string, error) {
	response, err := h.Request(within(h.t), id(target), []byte(payload))
	return string(response), err
}

// do sends a component an empty request, and waits for its response.
func (h *testHost) do(target string) {
	h.t.Helper()
	if _, err := h.request(target, ""); err != nil {
		h.t.Fatal(err)
	}
}

func (h *testHost) quiesce() host.Snapshot {
	h.t.Helper()
	check(h.t, h.Quiesce(within(h.t)))
	return h.Snapshot()
}

// balance checks that every message ended exactly once.
func (h *testHost) balance() host.Snapshot {
	h.t.Helper()
	s := h.quiesce()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	if s.Sent != s.Handled+s.Expired+s.DeadLetters+refused {
		h.t.Errorf("sent %d, but handled %d + expired %d + dead letters %d + refused %d: %+v", s.Sent, s.Handled, s.Expired, s.DeadLetters, refused, s)
	}
	return s
}

func equal[T comparable](t testing.TB, name string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

func isError(t testing.TB, name string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", name, got, want)
	}
}

func contains(t testing.TB, name, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got %.2000q, want it to contain %q", name, got, want)
	}
}

func receive[T any](t testing.TB, name string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("never came: " + name)
	}
	panic("unreachable")
}
