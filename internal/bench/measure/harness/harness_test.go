package harness_test

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
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/harness"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
	"github.com/airhost/airhost/trackers/slab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(pattern cells.Pattern) cells.Key {
	return cells.Key{
		Engine: "native", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency,
	}
}

// create makes the native guest of a pattern.
func create(pattern cells.Pattern) func() guest.Component {
	if pattern == cells.RequestResponse {
		return guests.NewRoundTrip
	}
	return guests.NewPingPong
}

func source(pattern cells.Pattern) core.Source { return native.Source(create(pattern)) }

func parts(source core.Source) harness.Parts {
	return harness.Parts{
		Modules:    fx.Options(airhostfx.Engine(native.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New)),
		EngineName: native.Name,
		Guest:      source,
		Logger:     slog.New(slog.DiscardHandler),
		Patience:   3 * time.Second,
	}
}

// wasmParts are the parts of wazero.
func wasmParts(pattern cells.Pattern) harness.Parts {
	p := parts(core.Source{Code: guests.PingPong})
	if pattern == cells.RequestResponse {
		p.Guest = core.Source{Code: guests.RoundTrip}
	}
	p.Modules, p.EngineName = fx.Options(p.Modules, airhostfx.Engine(wazero.New)), wazero.Name
	return p
}

func newHarness(t *testing.T, key cells.Key, source core.Source) *harness.Harness {
	t.Helper()
	return openHarness(t, key, parts(source))
}

func openHarness(t *testing.T, key cells.Key, parts harness.Parts) *harness.Harness {
	t.Helper()
	open := harness.New
	if key.Mode == cells.Throughput {
		open = harness.NewMany
	}
	h, err := open(t.Context(), key, parts)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, h)
	return h
}

func closeAfter(t *testing.T, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// ways are the keys of the ways to call.
func ways() []cells.Key {
	var keys []cells.Key
	for _, part := range cells.MustFind(cells.Calls).Parts(cells.Call) {
		k := key(cells.Call)
		k.Mode, k.Part = cells.Calls, part.Name
		keys = append(keys, k)
	}
	return keys
}

func TestRun(t *testing.T) {
	with := func(pattern cells.Pattern, payload, components, pairs int) cells.Key {
		k := key(pattern)
		k.PayloadBytes, k.Components, k.Pairs = payload, components, pairs
		return k
	}
	for _, k := range append(ways(),
		with(cells.FireAndForget, 64, 2, 1), with(cells.FireAndForget, 24, 1, 1),
		with(cells.FireAndForget, 1024, 10, 1), with(cells.FireAndForget, 64, 3, 2),
		with(cells.RequestResponse, 64, 0, 1), with(cells.RequestResponse, 16<<10, 0, 1),
		with(cells.RequestResponse, 64, 0, 3), with(cells.Call, 64, 0, 0), with(cells.Call, 4096, 0, 0),
	) {
		t.Run(k.String(), func(t *testing.T) { runs(t, newHarness(t, k, source(k.Pattern))) })
	}
}

// runs makes r do different numbers of operations.
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

// tampering is the guest of a pattern, which treats one message in every so many
// differently.
type tampering struct {
	guest.Component
	handled *atomic.Int64 // by all instances
	every   int64
	odd     oddity
}

// oddity is the different treatment of a message. own is the guest that would handle
// it.
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

// tampered is the native guest of a pattern, which treats one message in a thousand
// differently.
func tampered(pattern cells.Pattern, odd oddity) core.Source {
	return tamperedEvery(1000, pattern, odd)
}

func tamperedEvery(every int64, pattern cells.Pattern, odd oddity) core.Source {
	handled := new(atomic.Int64)
	return native.Source(func() guest.Component { return tampering{create(pattern)(), handled, every, odd} })
}

func dropping(guest.Component, guest.Host, []byte) ([]byte, error) { return nil, nil }

func TestDroppedMessageFails(t *testing.T) {
	_, err := newHarness(t, key(cells.FireAndForget), tampered(cells.FireAndForget, dropping)).Run(t.Context(), 5000)
	var lost *harness.LostError
	if !errors.As(err, &lost) {
		t.Fatalf("one ball in a thousand is dropped: got %v, want a LostError", err)
	}
	if lost.Got.Handled != 999 || lost.Claimed != 5000 {
		t.Errorf("got %+v, want 999 handled of 5000", lost)
	}
}

// A guest that blocks its host for ever stands for a host that stalls.
func TestStallFails(t *testing.T) {
	t.Run("harness", func(t *testing.T) {
		stalls(t, func(p harness.Parts) runner { return openHarness(t, key(cells.FireAndForget), p) })
	})
	t.Run("load", func(t *testing.T) {
		stalls(t, func(p harness.Parts) runner { return openLoad(t, load(cells.FireAndForget), p) })
	})
}

type runner interface {
	Run(ctx context.Context, n int) (time.Duration, error)
}

func stalls(t *testing.T, open func(harness.Parts) runner) {
	release := make(chan struct{})
	p := parts(tampered(cells.FireAndForget, func(guest.Component, guest.Host, []byte) ([]byte, error) {
		<-release
		return nil, nil
	}))
	p.Patience = 20 * time.Millisecond
	r := open(p)
	t.Cleanup(func() { close(release) }) // before the host is closed
	_, err := r.Run(t.Context(), 5000)
	var stalled *harness.StalledError
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
	uncounted := tampered(cells.Call, func(_ guest.Component, _ guest.Host, message []byte) ([]byte, error) { return message, nil })
	err := runAndVerify(t, newHarness(t, key(cells.Call), uncounted), 5000)
	var count *harness.CountError
	if !errors.As(err, &count) {
		t.Fatalf("one call in a thousand is not counted: got %v, want a CountError", err)
	}
	if count.Got.Handled != 4995 || count.Want.Handled != 5000 {
		t.Errorf("got %+v, want 4995 of 5000", count)
	}
}

func TestWrongResponseFails(t *testing.T) {
	wrong := func(guest.Component, guest.Host, []byte) ([]byte, error) { return make([]byte, 64), nil }
	_, err := newHarness(t, key(cells.RequestResponse), tampered(cells.RequestResponse, wrong)).Run(t.Context(), 5000)
	var unfinished *harness.UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.Done.Status != guests.Mismatch {
		t.Errorf("one response in a thousand is not the request: got %v, want an UnfinishedError by mismatch", err)
	}
	for _, k := range append(ways(), key(cells.Call)) {
		if _, err := newHarness(t, k, tampered(cells.Call, wrong)).Run(t.Context(), 5000); !errors.Is(err, harness.ErrResponse) {
			t.Errorf("%s: one response in a thousand calls is not the request: got %v, want ErrResponse", k, err)
		}
	}
}

func TestFailedRequestFails(t *testing.T) {
	failing := func(guest.Component, guest.Host, []byte) ([]byte, error) { return nil, errors.New("not today") }
	_, err := newHarness(t, key(cells.RequestResponse), tampered(cells.RequestResponse, failing)).Run(t.Context(), 5000)
	var unfinished *harness.UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.Done.Status != guests.CallbackFailed {
		t.Errorf("one request in a thousand fails: got %v, want an UnfinishedError by a failed callback", err)
	}
}

// shortcut reports the end of its run with the first message that it gets.
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

// report is the message to the component done that reports the end of a run.
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
	err := runAndVerify(t, newHarness(t, key(cells.FireAndForget), idle()), 1000)
	var count *harness.CountError
	if !errors.As(err, &count) || count.Got != (guests.Counters{}) {
		t.Errorf("a guest that does nothing: got %v, want a CountError with no counts", err)
	}
}

func TestInterruptEndsSample(t *testing.T) {
	r := newHarness(t, key(cells.FireAndForget), source(cells.FireAndForget))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Run(ctx, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestUnknownGuestFails(t *testing.T) {
	_, err := harness.New(t.Context(), key(cells.Call), harness.Parts{
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
