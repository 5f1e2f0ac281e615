package measure_test

import (
	"math"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// The parts of an operation add up to it in each round, and so do their means.
func TestStages(t *testing.T) {
	for _, pattern := range cells.Patterns() {
		var keys []cells.Key
		for _, part := range cells.MustFind(cells.Stages).Parts(pattern) {
			k := key(pattern)
			k.Mode, k.Part = cells.Stages, part.Name
			keys = append(keys, k)
		}
		measured, err := run(t.Context(), spec(keys...))
		if err != nil {
			t.Fatal(err)
		}
		var sum, whole float64
		for _, cell := range measured {
			switch {
			case cell.Status != result.Measured || cell.Unit != cells.UnitNanoseconds:
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
	throughput, load, cold := key(cells.FireAndForget), key(cells.Call), key(cells.Call)
	throughput.Mode, throughput.Components, throughput.Cores = cells.Throughput, 2, 1
	load.Mode, load.Cores, load.LoadPercent = cells.Load, 1, 50
	cold.Mode, cold.Part, cold.Broker, cold.Tracker = cells.Cold, cells.LoadCached, "", ""
	measured, err := run(t.Context(), spec(throughput, load, cold))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&result.File{Schema: result.Schema, Cells: measured}).Validate(); err != nil {
		t.Error(err)
	}
	if cell := measured[0]; cell.Status != result.Measured || cell.Unit != cells.UnitPerSecond || cell.Median <= 0 {
		t.Errorf("throughput: got %+v, want messages a second", cell)
	}
	if cell := measured[1]; cell.Status != result.Measured || cell.RatePerSecond <= 0 || len(cell.Percentiles) == 0 {
		t.Errorf("load: got %+v, want a rate and percentiles", cell)
	}
	if cell := measured[2]; cell.Status != result.LeftOut || !strings.Contains(cell.Reason, "keeps no compiled code") {
		t.Errorf("a native component's compiled code: got %+v, want it left out, and why", cell)
	}
}

// The cells of each mode have its unit, and percentiles where the mode has tails.
func TestEveryMode(t *testing.T) {
	for _, mode := range cells.Modes() {
		s := cells.Selection{
			Engines: []string{"native"}, Brokers: []string{"inproc"}, Trackers: []string{"slab"},
			Patterns: []cells.Pattern{cells.Call}, Payloads: []int{64}, Modes: []cells.ModeName{mode.Name},
			Components: []int{2}, Pairs: []int{1}, Cores: []int{1}, Loads: []int{50},
		}
		measured, err := run(t.Context(), spec(s.Keys()...))
		if err != nil {
			t.Errorf("mode %s: %v", mode.Name, err)
			continue
		}
		if err := (&result.File{Schema: result.Schema, Cells: measured}).Validate(); err != nil {
			t.Errorf("mode %s: %v", mode.Name, err)
		}
		found := 0
		for _, cell := range measured {
			if cell.Status == result.LeftOut {
				continue
			}
			found++
			if cell.Unit != cells.Unit(cell.Key) || (len(cell.Percentiles) > 0) != mode.Tails {
				t.Errorf("%s: got %+v, want it in %s", cell.Key, cell, cells.Unit(cell.Key))
			}
		}
		if found == 0 {
			t.Errorf("mode %s: no cell was measured", mode.Name)
		}
	}
}

func TestUnknownMode(t *testing.T) {
	k := key(cells.Call)
	k.Mode = "lateness"
	if measured, err := run(t.Context(), spec(k)); err == nil {
		t.Errorf("got %+v, want an error", measured)
	}
	if _, err := catalog().Open(t.Context(), k, false); err == nil {
		t.Error("opened by itself: got no error")
	}
}

func TestTooManyCoresAreLeftOut(t *testing.T) {
	k := key(cells.Call)
	k.Mode, k.Cores = cells.Throughput, 1<<20
	measured, err := run(t.Context(), spec(k))
	if err != nil || measured[0].Status != result.LeftOut || !strings.Contains(measured[0].Reason, "cores") {
		t.Errorf("got %+v, %v; want it left out for its cores", measured, err)
	}
}
