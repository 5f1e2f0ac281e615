package measure_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/extensions"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/harness"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
	"github.com/airhost/airhost/trackers/slab"
)

func TestMain(m *testing.M) {
	if extensions.Serve() {
		return
	}
	goleak.VerifyTestMain(m)
}

func guestOf(pattern cells.Pattern) core.Source {
	if pattern == cells.RequestResponse {
		return native.Source(guests.NewRoundTrip)
	}
	return native.Source(guests.NewPingPong)
}

func catalog() measure.Catalog {
	return measure.Catalog{
		Engines: map[string]measure.Engine{"native": {
			Module: airhostfx.Engine(native.New), Deploy: native.Name, Native: true, Guest: guestOf,
			Floor: func(_ context.Context, pattern cells.Pattern, payload int) (remote.Subject, error) {
				return floor.NewNative(pattern, payload), nil
			},
		}},
		Brokers: map[string]measure.Part{
			"inproc": {Module: airhostfx.Broker(inproc.New)}, "channel": {Module: airhostfx.Broker(channel.New)},
			"plugin": {Module: extensions.Broker(quiet.Logger), OutOfProcess: true},
		},
		Trackers: map[string]measure.Part{
			"slab":   {Module: airhostfx.Tracker(slab.New)},
			"plugin": {Module: extensions.Tracker(quiet.Logger), OutOfProcess: true},
		},
		Native:  airhostfx.Engine(native.New),
		LeftOut: map[string]string{"nats": "there is no NATS here"},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

func spec(keys ...cells.Key) measure.Spec {
	return measure.Spec{
		Sides:    []measure.Side{{Source: catalog(), Keys: keys}},
		Sampling: sampling.Options{Samples: 5, Seed: 1},
		Size:     sampling.Size{Ops: 200},
		Root:     fstest.MapFS{},
	}
}

// run measures the only side of s.
func run(ctx context.Context, s measure.Spec) ([]result.Cell, error) {
	all, err := measure.Run(ctx, s)
	if all == nil {
		return nil, err
	}
	return all[0], err
}

func key(pattern cells.Pattern) cells.Key {
	return cells.Key{
		Engine: "native", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency,
	}
}

func TestRun(t *testing.T) {
	absent := key(cells.Call)
	absent.Broker = "nats"
	twice := key(cells.FireAndForget)
	twice.Components, twice.Pairs = 2, 2
	keys := []cells.Key{key(cells.FireAndForget), absent, key(cells.RequestResponse), key(cells.Call), twice}
	measured, err := run(t.Context(), spec(keys...))
	if err != nil {
		t.Fatal(err)
	}
	file := result.File{Schema: result.Schema, Cells: measured}
	if err := file.Validate(); err != nil {
		t.Error(err)
	}
	for i, cell := range measured {
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
	absent := key(cells.Call)
	absent.Broker = "nats"
	measured, err := run(t.Context(), spec(absent))
	if err != nil || len(measured) != 1 || measured[0].Status != result.LeftOut {
		t.Errorf("got %+v, %v; want one cell that is left out", measured, err)
	}
}

func TestUnknownPart(t *testing.T) {
	for _, spoil := range []func(*cells.Key){
		func(k *cells.Key) { k.Engine = "steam" },
		func(k *cells.Key) { k.Broker = "pigeon" },
		func(k *cells.Key) { k.Tracker = "dog" },
	} {
		k := key(cells.Call)
		spoil(&k)
		var unknown *measure.UnknownError
		if _, err := run(t.Context(), spec(key(cells.Call), k)); !errors.As(err, &unknown) {
			t.Errorf("%s: got %v, want an UnknownError", k, err)
		}
	}
}

// forgetful drops one message in a thousand.
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
	s := spec(key(cells.FireAndForget))
	changed := catalog()
	engine := changed.Engines["native"]
	handled := new(atomic.Int64)
	engine.Guest = func(cells.Pattern) core.Source {
		return native.Source(func() guest.Component { return forgetful{guests.NewPingPong(), handled} })
	}
	changed.Engines["native"] = engine
	s.Sides[0].Source = changed
	measured, err := run(t.Context(), s)
	var lost *harness.LostError
	if !errors.As(err, &lost) || measured != nil {
		t.Errorf("got %d cells, %v; want none, and a LostError", len(measured), err)
	}
}

func TestCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := spec(key(cells.FireAndForget), key(cells.Call))
	s.Sampling.Samples = 1000
	s.Progress = func(p result.Progress) {
		if p.Round == 3 {
			cancel()
		}
	}
	measured, err := run(ctx, s)
	if !errors.Is(err, context.Canceled) || len(measured) != 2 {
		t.Fatalf("got %d cells, %v; want both, and context.Canceled", len(measured), err)
	}
	for _, cell := range measured {
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
	s := spec(key(cells.Call))
	s.Progress = func(result.Progress) { cancel() }
	measured, err := run(ctx, s)
	if !errors.Is(err, context.Canceled) || len(measured) != 1 || measured[0].Status != result.LeftOut {
		t.Errorf("got %+v, %v; want the cell left out, and context.Canceled", measured, err)
	}
}

func TestBusyMachineIsNoted(t *testing.T) {
	s := spec(key(cells.Call))
	root := fstest.MapFS{
		"proc/stat":      {Data: []byte("cpu 0 0 0 0 0 0 0 0 0 0\n")},
		"proc/self/stat": {Data: []byte("1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0\n")},
	}
	s.Root = root
	s.Progress = func(result.Progress) {
		root["proc/stat"] = &fstest.MapFile{Data: []byte("cpu 50 0 0 50 0 0 0 0 0 0\n")}
	}
	measured, err := run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(measured[0].Warnings, func(w string) bool { return strings.HasPrefix(w, "busy machine") }) {
		t.Errorf("half the machine is others': warnings %q, want one of a busy machine", measured[0].Warnings)
	}
}

// Two sides with the same cells are measured in the same rounds, each with a
// floor of its own.
func TestSides(t *testing.T) {
	s := spec(key(cells.Call))
	s.Sides = append(s.Sides, s.Sides[0])
	turns := make(map[string]int)
	s.Progress = func(p result.Progress) {
		if p.Round == 1 {
			turns[p.Name]++
		}
	}
	sides, err := measure.Run(t.Context(), s)
	if err != nil || len(sides) != 2 || len(sides[0]) != 1 || len(sides[1]) != 1 {
		t.Fatalf("got %+v, %v; want a cell of each side", sides, err)
	}
	for name, n := range turns {
		if n != 2 {
			t.Errorf("%s had %d turns in a round, want one for each side", name, n)
		}
	}
	if len(turns) != 2 {
		t.Errorf("turns in a round: %v, want the cell and its floor", turns)
	}
}

// A broker or a tracker that is a process is measured like any other, but has no
// targets, and lacks some stages.
func TestExtensions(t *testing.T) {
	var keys []cells.Key
	add := func(key cells.Key, change func(*cells.Key)) {
		for _, extension := range []*string{&key.Broker, &key.Tracker} {
			before := *extension
			*extension = "plugin"
			k := key
			change(&k)
			keys = append(keys, k)
			*extension = before
		}
	}
	patterns := cells.Patterns()
	if testing.Short() {
		patterns = patterns[:1]
	}
	for _, pattern := range patterns {
		add(key(pattern), func(*cells.Key) {})
		add(key(pattern), func(k *cells.Key) { k.Mode, k.Components, k.Cores = cells.Throughput, 2, 1 })
		add(key(pattern), func(k *cells.Key) { k.Mode, k.LoadPercent = cells.Load, 50 })
		for _, part := range cells.MustFind(cells.Stages).Parts(pattern) {
			add(key(pattern), func(k *cells.Key) { k.Mode, k.Part = cells.Stages, part.Name })
		}
	}
	s := spec(keys...)
	s.Sampling.Samples = 2
	s.Size.TotalOps = 20_000 // too many for messages that leave the process
	measured, err := run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range measured {
		absent := cell.Mode == cells.Stages && cell.Pattern != cells.FireAndForget && cell.Broker == "plugin"
		switch {
		case absent && cell.Status != result.LeftOut:
			t.Errorf("%s: it is measured, want it left out", cell.Key)
		case absent && !strings.HasPrefix(cell.Reason, "plugin: "):
			t.Errorf("%s: left out for %q, want a reason about its broker", cell.Key, cell.Reason)
		case absent:
		case cell.Status != result.Measured || len(cell.Samples) != 2:
			t.Errorf("%s: got %+v, want two samples", cell.Key, cell)
		case cell.Target != nil:
			t.Errorf("%s: it has a target", cell.Key)
		case cell.Broker == "plugin" && cell.Mode == cells.Latency && cell.OpsPerSample != s.Size.Ops:
			t.Errorf("%s: %d operations in a sample, want %d", cell.Key, cell.OpsPerSample, s.Size.Ops)
		}
	}
}
