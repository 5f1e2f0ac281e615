package rig_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/rig"
	"github.com/airhost/airhost/internal/bench/sampling"
	"github.com/airhost/airhost/trackers/slab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(pattern result.Pattern) result.Key {
	return result.Key{
		Engine: "native", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: result.Latency,
	}
}

// create makes the native guest of a pattern.
func create(pattern result.Pattern) func() guest.Component {
	if pattern == result.RequestResponse {
		return guests.NewRoundTrip
	}
	return guests.NewPingPong
}

func source(pattern result.Pattern) core.Source { return native.Source(create(pattern)) }

func parts(source core.Source) rig.Parts {
	return rig.Parts{
		Modules:    fx.Options(airhostfx.Engine(native.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New)),
		EngineName: native.Name,
		Guest:      source,
		Logger:     slog.New(slog.DiscardHandler),
		Patience:   3 * time.Second,
	}
}

// wasmParts are the same on wazero.
func wasmParts(pattern result.Pattern) rig.Parts {
	p := parts(core.Source{Code: guests.PingPong})
	if pattern == result.RequestResponse {
		p.Guest = core.Source{Code: guests.RoundTrip}
	}
	p.Modules, p.EngineName = fx.Options(p.Modules, airhostfx.Engine(wazero.New)), wazero.Name
	return p
}

func newRig(t *testing.T, key result.Key, source core.Source) *rig.Rig {
	t.Helper()
	return openRig(t, key, parts(source))
}

func openRig(t *testing.T, key result.Key, parts rig.Parts) *rig.Rig {
	t.Helper()
	r, err := rig.New(t.Context(), key, parts)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, r)
	return r
}

func closeAfter(t *testing.T, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRun(t *testing.T) {
	with := func(pattern result.Pattern, payload, components, pairs int) result.Key {
		k := key(pattern)
		k.PayloadBytes, k.Components, k.Pairs = payload, components, pairs
		return k
	}
	for _, k := range []result.Key{
		with(result.FireAndForget, 64, 2, 1), with(result.FireAndForget, 24, 1, 1),
		with(result.FireAndForget, 1024, 10, 1), with(result.FireAndForget, 64, 3, 2),
		with(result.RequestResponse, 64, 0, 1), with(result.RequestResponse, 16<<10, 0, 1),
		with(result.RequestResponse, 64, 0, 3), with(result.Call, 64, 0, 0), with(result.Call, 4096, 0, 0),
	} {
		t.Run(k.String(), func(t *testing.T) { runs(t, newRig(t, k, source(k.Pattern))) })
	}
}

// runs has r do different numbers of operations.
func runs(t *testing.T, r sampling.Subject) {
	t.Helper()
	for _, n := range []int{1, 7, 1000} {
		elapsed, err := r.Run(t.Context(), n)
		if err != nil {
			t.Fatalf("%d operations: %v", n, err)
		}
		if err := r.Verify(t.Context(), n); err != nil {
			t.Error(err)
		}
		if elapsed <= 0 {
			t.Errorf("%d operations took %v", n, elapsed)
		}
	}
}

// A tampering guest is the pattern's own, but for one message in every so many.
type tampering struct {
	guest.Component
	handled *atomic.Int64 // by all instances
	every   int64
	odd     oddity
}

// oddity is what a tampering guest does instead of what is its own.
type oddity func(own guest.Component, host guest.Host, message []byte) ([]byte, error)

func (g tampering) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if len(message) >= guests.HeaderSize && message[0] != guests.OpStart && g.handled.Add(1)%g.every == 0 {
		return g.odd(g.Component, host, message)
	}
	return g.Component.HandleMessage(host, sender, message)
}

func (g tampering) Initialize(host guest.Host, config guest.Config) error {
	if c, ok := g.Component.(guest.Initializer); ok {
		return c.Initialize(host, config)
	}
	return nil
}

func (g tampering) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	return g.Component.(guest.CallbackHandler).HandleCallback(host, id, response, failure)
}

// tampered is the native guest of a pattern, but for one message in a thousand.
func tampered(pattern result.Pattern, odd oddity) core.Source {
	return tamperedEvery(1000, pattern, odd)
}

func tamperedEvery(every int64, pattern result.Pattern, odd oddity) core.Source {
	handled := new(atomic.Int64)
	return native.Source(func() guest.Component { return tampering{create(pattern)(), handled, every, odd} })
}

func dropping(guest.Component, guest.Host, []byte) ([]byte, error) { return nil, nil }

func TestDroppedMessageFails(t *testing.T) {
	_, err := newRig(t, key(result.FireAndForget), tampered(result.FireAndForget, dropping)).Run(t.Context(), 5000)
	var lost *rig.LostError
	if !errors.As(err, &lost) {
		t.Fatalf("one ball in a thousand is dropped: got %v, want a LostError", err)
	}
	if lost.Got.Handled != 999 || lost.Claimed != 5000 {
		t.Errorf("got %+v, want 999 handled of 5000", lost)
	}
}

// A guest that blocks its host for good stands for a host that stalls.
func TestStallFails(t *testing.T) {
	release := make(chan struct{})
	blocking := func(guest.Component, guest.Host, []byte) ([]byte, error) {
		<-release
		return nil, nil
	}
	p := parts(tampered(result.FireAndForget, blocking))
	p.Patience = 20 * time.Millisecond
	r := openRig(t, key(result.FireAndForget), p)
	t.Cleanup(func() { close(release) }) // before the rig is closed
	_, err := r.Run(t.Context(), 5000)
	var stalled *rig.StalledError
	if !errors.As(err, &stalled) {
		t.Errorf("a guest blocks its host: got %v, want a StalledError", err)
	}
}

func runAndVerify(t *testing.T, r sampling.Subject, n int) error {
	t.Helper()
	if _, err := r.Run(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return r.Verify(t.Context(), n)
}

func TestSkippedWorkFails(t *testing.T) {
	uncounted := tampered(result.Call, func(_ guest.Component, _ guest.Host, message []byte) ([]byte, error) { return message, nil })
	err := runAndVerify(t, newRig(t, key(result.Call), uncounted), 5000)
	var count *rig.CountError
	if !errors.As(err, &count) {
		t.Fatalf("one call in a thousand is not counted: got %v, want a CountError", err)
	}
	if count.Got.Handled != 4995 || count.Want.Handled != 5000 {
		t.Errorf("got %+v, want 4995 of 5000", count)
	}
}

func TestWrongResponseFails(t *testing.T) {
	wrong := func(guest.Component, guest.Host, []byte) ([]byte, error) { return make([]byte, 64), nil }
	_, err := newRig(t, key(result.RequestResponse), tampered(result.RequestResponse, wrong)).Run(t.Context(), 5000)
	var unfinished *rig.UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.Done.Status != guests.Mismatch {
		t.Errorf("one response in a thousand is not the request: got %v, want an UnfinishedError by mismatch", err)
	}
	if _, err := newRig(t, key(result.Call), tampered(result.Call, wrong)).Run(t.Context(), 5000); !errors.Is(err, rig.ErrResponse) {
		t.Errorf("one response in a thousand calls is not the request: got %v, want ErrResponse", err)
	}
}

func TestFailedRequestFails(t *testing.T) {
	failing := func(guest.Component, guest.Host, []byte) ([]byte, error) { return nil, errors.New("not today") }
	_, err := newRig(t, key(result.RequestResponse), tampered(result.RequestResponse, failing)).Run(t.Context(), 5000)
	var unfinished *rig.UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.Done.Status != guests.CallbackFailed {
		t.Errorf("one request in a thousand fails: got %v, want an UnfinishedError by a failed callback", err)
	}
}

// shortcut says that its run is over as soon as it is given a ball.
type shortcut struct {
	guest.Component
	done string
}

func (s *shortcut) Initialize(_ guest.Host, config guest.Config) error {
	for _, pair := range config {
		if pair.Key == "done" {
			s.done = pair.Value
		}
	}
	return nil
}

func (s *shortcut) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if message[0] != guests.OpBall {
		return s.Component.HandleMessage(host, sender, message)
	}
	hops, sequence := binary.LittleEndian.Uint64(message[8:]), binary.LittleEndian.Uint64(message[16:])
	return nil, host.Send(s.done, report(hops+sequence))
}

// report is what the component done is told of a ball that has come to its end.
func report(sequence uint64) []byte {
	done := make([]byte, guests.HeaderSize)
	done[0] = guests.OpDone
	guests.SetSequence(done, sequence)
	return done
}

func idle() core.Source {
	return native.Source(func() guest.Component { return &shortcut{Component: guests.NewPingPong()} })
}

func TestDoingNothingFails(t *testing.T) {
	err := runAndVerify(t, newRig(t, key(result.FireAndForget), idle()), 1000)
	var count *rig.CountError
	if !errors.As(err, &count) || count.Got != (guests.Counters{}) {
		t.Errorf("a guest that does nothing: got %v, want a CountError with no counts", err)
	}
}

func TestInterruptEndsSample(t *testing.T) {
	r := newRig(t, key(result.FireAndForget), source(result.FireAndForget))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Run(ctx, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestUnknownGuestFails(t *testing.T) {
	_, err := rig.New(t.Context(), key(result.Call), rig.Parts{
		Modules:    fx.Options(airhostfx.Engine(native.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New)),
		EngineName: native.Name,
		Guest:      core.Source{Path: "nobody"},
		Logger:     slog.New(slog.DiscardHandler),
	})
	var module *core.ModuleError
	if !errors.As(err, &module) {
		t.Errorf("got %v, want a ModuleError", err)
	}
}
