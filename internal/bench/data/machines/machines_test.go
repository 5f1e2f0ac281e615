package machines_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// key is a cell with a target of its time and of its multiple.
func key(engine string, pattern cells.Pattern) cells.Key {
	return cells.Key{Engine: engine, Broker: "inproc", Tracker: "slab", Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency}
}

func measured(key cells.Key, median float64) result.Cell {
	target := 280.0
	f := &result.Figures{
		Unit: cells.UnitNanoseconds, Samples: []float64{median}, Median: median, CI95Low: median, CI95High: median,
		Target: &target, WithinTarget: result.Met, Warnings: []string{},
	}
	f.SetFloor(key, 10)
	return result.Cell{Key: key, Status: result.Measured, Figures: f}
}

func leftOut(key cells.Key, reason string) result.Cell {
	return result.Cell{Key: key, Status: result.LeftOut, Reason: reason}
}

func run(name, cpu string, all ...result.Cell) machines.Run {
	return machines.Run{Name: name, File: &result.File{Environment: result.Environment{CPU: cpu, Cores: 2}, Cells: all}}
}

// medians are the machine's cells in short.
func medians(m machines.Machine) map[string][]float64 {
	all := make(map[string][]float64)
	for _, c := range m.Cells {
		values := []float64{c.Median}
		for _, f := range c.Earlier {
			values = append(values, f.Median)
		}
		all[m.Runs[c.Run].Name+" "+c.Engine] = values
	}
	return all
}

// The last run of a machine counts, and no run of another one.
func TestSplit(t *testing.T) {
	a, b, c := key("wazero", cells.Call), key("native", cells.Call), key("wasmtime", cells.Call)
	all := machines.Split([]machines.Run{
		run("1", "Intel(R) Xeon(R)", measured(a, 1), measured(b, 2), leftOut(c, "at first")),
		run("2", "AMD EPYC", measured(a, 3), leftOut(b, "not here")),
		run("3", "Intel(R) Xeon(R)", measured(a, 4), leftOut(c, "at last"), leftOut(b, "not now")),
	})
	if len(all) != 2 || all[0].Name != "Intel Xeon" || all[1].Name != "AMD EPYC" || all[0].Environment().CPU != "Intel(R) Xeon(R)" {
		t.Fatalf("got %+v, want two machines", all)
	}
	if diff := cmp.Diff(map[string][]float64{"3 wazero": {4, 1}, "1 native": {2}}, medians(all[0])); diff != "" {
		t.Errorf("on the first machine (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]float64{"2 wazero": {3}}, medians(all[1])); diff != "" {
		t.Errorf("on the second machine (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]result.Cell{leftOut(c, "at last")}, all[0].LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

// A row has each machine's cell, or the reason why there is none.
func TestRows(t *testing.T) {
	a, b, c := key("wazero", cells.Call), key("native", cells.Call), key("wazero", cells.FireAndForget)
	other, untargeted := a, a
	other.Broker, untargeted.PayloadBytes = "channel", 1024
	without := measured(untargeted, 9)
	without.Target, without.WithinTarget = nil, ""
	all := machines.Split([]machines.Run{
		run("1", "one", measured(a, 1), measured(other, 5), measured(b, 2), without),
		run("2", "two", measured(c, 3), measured(a, 4), leftOut(b, "not here")),
	})
	want := []machines.Row{
		{c, true, []result.Cell{leftOut(c, "not measured"), measured(c, 3)}},
		{a, true, []result.Cell{measured(a, 1), measured(a, 4)}},
		{other, false, []result.Cell{measured(other, 5), leftOut(other, "not measured")}},
		{b, true, []result.Cell{measured(b, 2), leftOut(b, "not here")}},
	}
	if diff := cmp.Diff(want, machines.Rows(all)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if first := machines.Firsts(all); len(first) != 3 {
		t.Errorf("got %d headline figures, want 3", len(first))
	}
}
