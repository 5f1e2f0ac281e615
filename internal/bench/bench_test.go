package bench_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/rig"
	"github.com/airhost/airhost/internal/bench/sampling"
	"github.com/airhost/airhost/trackers/slab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func guestOf(pattern result.Pattern) core.Source {
	if pattern == result.RequestResponse {
		return native.Source(guests.NewRoundTrip)
	}
	return native.Source(guests.NewPingPong)
}

func spec(keys ...result.Key) bench.Spec {
	return bench.Spec{
		Catalog: bench.Catalog{
			Engines: map[string]bench.Engine{"native": {
				Module: native.Module, Deploy: native.Name, Native: true, Guest: guestOf,
				Floor: func(_ context.Context, pattern result.Pattern, payload int) (bench.Floor, error) {
					return floor.NewNative(pattern, payload), nil
				},
			}},
			Brokers:  map[string]fx.Option{"inproc": inproc.Module},
			Trackers: map[string]fx.Option{"slab": slab.Module},
			Native:   native.Module,
			LeftOut:  map[string]string{"nats": "there is no NATS here"},
		},
		Keys:     keys,
		Sampling: sampling.Options{Samples: 5, SampleOps: 200, Seed: 1},
		Root:     fstest.MapFS{},
		Logger:   slog.New(slog.DiscardHandler),
	}
}

func key(pattern result.Pattern) result.Key {
	return result.Key{
		Engine: "native", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: result.Latency,
	}
}

func TestRun(t *testing.T) {
	absent := key(result.Call)
	absent.Broker = "nats"
	twice := key(result.FireAndForget)
	twice.Components, twice.Pairs = 2, 2
	keys := []result.Key{key(result.FireAndForget), absent, key(result.RequestResponse), key(result.Call), twice}
	cells, err := bench.Run(t.Context(), spec(keys...))
	if err != nil {
		t.Fatal(err)
	}
	file := result.File{Schema: result.Schema, Cells: cells}
	if err := file.Validate(); err != nil {
		t.Error(err)
	}
	for i, cell := range cells {
		switch {
		case cell.Key != keys[i]:
			t.Errorf("cell %d is %s, want %s", i, cell.Key, keys[i])
		case keys[i] == absent:
			if cell.Status != result.LeftOut || !strings.Contains(cell.Reason, "there is no NATS here") {
				t.Errorf("%s: got status %s, reason %q; want it left out, and why", cell.Key, cell.Status, cell.Reason)
			}
		case cell.Status != result.Measured || len(cell.Samples) != 5 || cell.OpsPerSample < 200:
			t.Errorf("%s: got %+v, want five samples of at least 200 operations", cell.Key, cell)
		case (cell.Floor == nil) != (keys[i] == twice) || (cell.Target == nil) != (keys[i] == twice):
			t.Errorf("%s: floor %v, target %v; want both, but not for two pairs at once", cell.Key, cell.Floor, cell.Target)
		case !slices.ContainsFunc(cell.Warnings, func(w string) bool { return strings.HasPrefix(w, "too few samples") }):
			t.Errorf("%s: warnings %q, want one of too few samples", cell.Key, cell.Warnings)
		}
	}
}

func TestAllLeftOut(t *testing.T) {
	absent := key(result.Call)
	absent.Broker = "nats"
	cells, err := bench.Run(t.Context(), spec(absent))
	if err != nil || len(cells) != 1 || cells[0].Status != result.LeftOut {
		t.Errorf("got %+v, %v; want one cell that is left out", cells, err)
	}
}

func TestUnknownPart(t *testing.T) {
	for _, spoil := range []func(*result.Key){
		func(k *result.Key) { k.Engine = "steam" },
		func(k *result.Key) { k.Broker = "pigeon" },
		func(k *result.Key) { k.Tracker = "dog" },
	} {
		k := key(result.Call)
		spoil(&k)
		var unknown *bench.UnknownError
		if _, err := bench.Run(t.Context(), spec(key(result.Call), k)); !errors.As(err, &unknown) {
			t.Errorf("%s: got %v, want an UnknownError", k, err)
		}
	}
}

// forgetful drops one ball in a thousand.
type forgetful struct {
	guest.Component
	handled *atomic.Int64
}

func (f forgetful) Initialize(host guest.Host, config guest.Config) error {
	return f.Component.(guest.Initializer).Initialize(host, config)
}

func (f forgetful) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if message[0] == guests.OpBall && f.handled.Add(1)%1000 == 0 {
		return nil, nil
	}
	return f.Component.HandleMessage(host, sender, message)
}

func TestDroppedMessageFailsRun(t *testing.T) {
	s := spec(key(result.FireAndForget))
	engine := s.Catalog.Engines["native"]
	handled := new(atomic.Int64)
	engine.Guest = func(result.Pattern) core.Source {
		return native.Source(func() guest.Component { return forgetful{guests.NewPingPong(), handled} })
	}
	s.Catalog.Engines["native"] = engine
	cells, err := bench.Run(t.Context(), s)
	var lost *rig.LostError
	if !errors.As(err, &lost) || cells != nil {
		t.Errorf("got %d cells, %v; want none, and a LostError", len(cells), err)
	}
}

func TestCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := spec(key(result.FireAndForget), key(result.Call))
	s.Sampling.Samples = 1000
	s.Sampling.Progress = func(p sampling.Progress) {
		if p.Round == 3 {
			cancel()
		}
	}
	cells, err := bench.Run(ctx, s)
	if !errors.Is(err, context.Canceled) || len(cells) != 2 {
		t.Fatalf("got %d cells, %v; want both, and context.Canceled", len(cells), err)
	}
	for _, cell := range cells {
		if cell.Status != result.Measured || len(cell.Samples) != 2 {
			t.Errorf("%s: got %+v, want the two samples that were taken", cell.Key, cell)
			continue
		}
		if !slices.ContainsFunc(cell.Warnings, func(w string) bool { return strings.HasPrefix(w, "cut short") }) {
			t.Errorf("%s: warnings %q, want one that it was cut short", cell.Key, cell.Warnings)
		}
	}
}

func TestCutBeforeFirstSample(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := spec(key(result.Call))
	s.Sampling.Progress = func(sampling.Progress) { cancel() }
	cells, err := bench.Run(ctx, s)
	if !errors.Is(err, context.Canceled) || len(cells) != 1 || cells[0].Status != result.LeftOut {
		t.Errorf("got %+v, %v; want the cell left out, and context.Canceled", cells, err)
	}
}

func TestBusyMachineIsNoted(t *testing.T) {
	s := spec(key(result.Call))
	root := fstest.MapFS{
		"proc/stat":      {Data: []byte("cpu 0 0 0 0 0 0 0 0 0 0\n")},
		"proc/self/stat": {Data: []byte("1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0\n")},
	}
	s.Root = root
	s.Sampling.Progress = func(sampling.Progress) {
		root["proc/stat"] = &fstest.MapFile{Data: []byte("cpu 50 0 0 50 0 0 0 0 0 0\n")}
	}
	cells, err := bench.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(cells[0].Warnings, func(w string) bool { return strings.HasPrefix(w, "busy machine") }) {
		t.Errorf("half the machine is others': warnings %q, want one of a busy machine", cells[0].Warnings)
	}
}
