package bench_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
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
	"github.com/airhost/airhost/internal/bench"
	"github.com/airhost/airhost/internal/bench/cells"
	"github.com/airhost/airhost/internal/bench/extensions"
	"github.com/airhost/airhost/internal/bench/floor"
	"github.com/airhost/airhost/internal/bench/guests"
	"github.com/airhost/airhost/internal/bench/remote"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/rig"
	"github.com/airhost/airhost/internal/bench/sampling"
	"github.com/airhost/airhost/trackers/slab"
)

func TestMain(m *testing.M) {
	if extensions.Serve() {
		return
	}
	goleak.VerifyTestMain(m)
}

func guestOf(pattern result.Pattern) core.Source {
	if pattern == result.RequestResponse {
		return native.Source(guests.NewRoundTrip)
	}
	return native.Source(guests.NewPingPong)
}

func catalog() bench.Catalog {
	return bench.Catalog{
		Engines: map[string]bench.Engine{"native": {
			Module: airhostfx.Engine(native.New), Deploy: native.Name, Native: true, Guest: guestOf,
			Floor: func(_ context.Context, pattern result.Pattern, payload int) (remote.Subject, error) {
				return floor.NewNative(pattern, payload), nil
			},
		}},
		Brokers: map[string]bench.Part{
			"inproc": {Module: airhostfx.Broker(inproc.New)}, "channel": {Module: airhostfx.Broker(channel.New)},
			"plugin": {Module: extensions.Broker(quiet.Logger), Elsewhere: true},
		},
		Trackers: map[string]bench.Part{
			"slab":   {Module: airhostfx.Tracker(slab.New)},
			"plugin": {Module: extensions.Tracker(quiet.Logger), Elsewhere: true},
		},
		Native:  airhostfx.Engine(native.New),
		LeftOut: map[string]string{"nats": "there is no NATS here"},
		Logger:  slog.New(slog.DiscardHandler),
	}
}

func spec(keys ...result.Key) bench.Spec {
	return bench.Spec{
		Sides:    []bench.Side{{Source: catalog(), Keys: keys}},
		Sampling: sampling.Options{Samples: 5, Seed: 1},
		Size:     sampling.Size{Ops: 200},
		Root:     fstest.MapFS{},
	}
}

// run measures the only side of s.
func run(ctx context.Context, s bench.Spec) ([]result.Cell, error) {
	all, err := bench.Run(ctx, s)
	if all == nil {
		return nil, err
	}
	return all[0], err
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
	absent := key(result.Call)
	absent.Broker = "nats"
	measured, err := run(t.Context(), spec(absent))
	if err != nil || len(measured) != 1 || measured[0].Status != result.LeftOut {
		t.Errorf("got %+v, %v; want one cell that is left out", measured, err)
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
		if _, err := run(t.Context(), spec(key(result.Call), k)); !errors.As(err, &unknown) {
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
	changed := catalog()
	engine := changed.Engines["native"]
	handled := new(atomic.Int64)
	engine.Guest = func(result.Pattern) core.Source {
		return native.Source(func() guest.Component { return forgetful{guests.NewPingPong(), handled} })
	}
	changed.Engines["native"] = engine
	s.Sides[0].Source = changed
	measured, err := run(t.Context(), s)
	var lost *rig.LostError
	if !errors.As(err, &lost) || measured != nil {
		t.Errorf("got %d cells, %v; want none, and a LostError", len(measured), err)
	}
}

func TestCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := spec(key(result.FireAndForget), key(result.Call))
	s.Sampling.Samples = 1000
	s.Progress = func(p bench.Progress) {
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
	s := spec(key(result.Call))
	s.Progress = func(bench.Progress) { cancel() }
	measured, err := run(ctx, s)
	if !errors.Is(err, context.Canceled) || len(measured) != 1 || measured[0].Status != result.LeftOut {
		t.Errorf("got %+v, %v; want the cell left out, and context.Canceled", measured, err)
	}
}

func TestBusyMachineIsNoted(t *testing.T) {
	s := spec(key(result.Call))
	root := fstest.MapFS{
		"proc/stat":      {Data: []byte("cpu 0 0 0 0 0 0 0 0 0 0\n")},
		"proc/self/stat": {Data: []byte("1 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0\n")},
	}
	s.Root = root
	s.Progress = func(bench.Progress) {
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

// The parts of an operation add up to it in each round, and so do their means.
func TestStages(t *testing.T) {
	for _, pattern := range result.Patterns() {
		var keys []result.Key
		for _, part := range cells.Parts(result.Stages, pattern) {
			k := key(pattern)
			k.Mode, k.Part = result.Stages, part
			keys = append(keys, k)
		}
		measured, err := run(t.Context(), spec(keys...))
		if err != nil {
			t.Fatal(err)
		}
		var sum, whole float64
		for _, cell := range measured {
			switch {
			case cell.Status != result.Measured || cell.Unit != result.UnitNanoseconds:
				t.Errorf("%s: got %+v, want it measured in time", cell.Key, cell)
			case cell.Part == cells.Whole:
				whole = cell.Mean
			default:
				sum += cell.Mean
			}
		}
		if math.Abs(sum-whole) > 1e-6*whole {
			t.Errorf("%s: the parts add up to %v ns, want the whole, %v ns", pattern, sum, whole)
		}
	}
}

func TestOtherModes(t *testing.T) {
	throughput, load, cold := key(result.FireAndForget), key(result.Call), key(result.Call)
	throughput.Mode, throughput.Components, throughput.Cores = result.Throughput, 2, 1
	load.Mode, load.Cores, load.LoadPercent = result.Load, 1, 50
	cold.Mode, cold.Part, cold.Broker, cold.Tracker = result.Cold, cells.LoadCached, "", ""
	measured, err := run(t.Context(), spec(throughput, load, cold))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&result.File{Schema: result.Schema, Cells: measured}).Validate(); err != nil {
		t.Error(err)
	}
	if cell := measured[0]; cell.Status != result.Measured || cell.Unit != result.UnitPerSecond || cell.Median <= 0 {
		t.Errorf("throughput: got %+v, want messages a second", cell)
	}
	if cell := measured[1]; cell.Status != result.Measured || cell.RatePerSecond <= 0 || len(cell.Percentiles) == 0 {
		t.Errorf("load: got %+v, want a rate and percentiles", cell)
	}
	if cell := measured[2]; cell.Status != result.LeftOut || !strings.Contains(cell.Reason, "keeps no compiled code") {
		t.Errorf("a native component's compiled code: got %+v, want it left out, and why", cell)
	}
}

func TestTooManyCoresAreLeftOut(t *testing.T) {
	k := key(result.Call)
	k.Mode, k.Cores = result.Throughput, 1<<20
	measured, err := run(t.Context(), spec(k))
	if err != nil || measured[0].Status != result.LeftOut || !strings.Contains(measured[0].Reason, "cores") {
		t.Errorf("got %+v, %v; want it left out for its cores", measured, err)
	}
}

// Two sides with the same cells are measured in the same rounds, each with a
// floor of its own.
func TestSides(t *testing.T) {
	s := spec(key(result.Call))
	s.Sides = append(s.Sides, s.Sides[0])
	turns := make(map[string]int)
	s.Progress = func(p bench.Progress) {
		if p.Round == 1 {
			turns[p.Name]++
		}
	}
	sides, err := bench.Run(t.Context(), s)
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

// A broker or a tracker that is a process is measured like any other, but for
// targets, and for stages that it does not have.
func TestExtensions(t *testing.T) {
	var keys []result.Key
	add := func(key result.Key, change func(*result.Key)) {
		for _, extension := range []*string{&key.Broker, &key.Tracker} {
			before := *extension
			*extension = "plugin"
			k := key
			change(&k)
			keys = append(keys, k)
			*extension = before
		}
	}
	for _, pattern := range result.Patterns() {
		add(key(pattern), func(*result.Key) {})
		add(key(pattern), func(k *result.Key) { k.Mode, k.Components, k.Cores = result.Throughput, 2, 1 })
		add(key(pattern), func(k *result.Key) { k.Mode, k.LoadPercent = result.Load, 50 })
		for _, part := range cells.Parts(result.Stages, pattern) {
			add(key(pattern), func(k *result.Key) { k.Mode, k.Part = result.Stages, part })
		}
	}
	s := spec(keys...)
	s.Sampling.Samples = 2
	s.Size.TotalOps = 20_000 // which only the host alone has the time for
	measured, err := run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range measured {
		absent := cell.Mode == result.Stages && cell.Pattern != result.FireAndForget && cell.Broker == "plugin"
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
		case cell.Broker == "plugin" && cell.Mode == result.Latency && cell.OpsPerSample != s.Size.Ops:
			t.Errorf("%s: %d operations in a sample, want %d", cell.Key, cell.OpsPerSample, s.Size.Ops)
		}
	}
}
