package output_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
	"github.com/airhost/airhost/internal/golden"
)

func number(x float64) *float64 { return &x }

// with is a key of another mode.
func with(key cells.Key, mode cells.ModeName, set func(*cells.Key)) cells.Key {
	key.Mode = mode
	set(&key)
	return key
}

// in is figures in another unit.
func in(f *result.Figures, unit string) *result.Figures {
	f.Unit = unit
	return f
}

// loaded is figures of a load cell.
func loaded(f *result.Figures) *result.Figures {
	f.RatePerSecond, f.LateSends = 1_032_000, 17
	for i, percent := range []float64{50, 90, 99, 99.9, 99.99, 100} {
		v := 900 * float64(int(1)<<(2*i))
		f.Percentiles = append(f.Percentiles, result.Percentile{Percent: percent, Value: v, CI95Low: 0.9 * v, CI95High: 1.2 * v})
	}
	return f
}

// example has a cell of each kind that outputs distinguish.
func example() *result.File {
	key := func(engine string, pattern cells.Pattern, payload, components, pairs int) cells.Key {
		return cells.Key{
			Engine: engine, Broker: "inproc", Tracker: "slab", Pattern: pattern,
			PayloadBytes: payload, Mode: cells.Latency, Components: components, Pairs: pairs,
		}
	}
	figures := func(median float64, verdict result.Verdict, warnings ...string) *result.Figures {
		f := &result.Figures{
			Unit: cells.UnitNanoseconds, Samples: []float64{median * 1.02, median, median * 0.99}, OpsPerSample: 40_000,
			Median: median, CI95Low: median * 0.99, CI95High: median * 1.02, Mean: median * 1.0033, Stddev: median / 50,
			MAD: median / 100, Q1: median * 0.99, Q3: median * 1.02, AllocsPerOp: 1, BytesPerOp: 64,
			Warnings: append([]string{}, warnings...),
		}
		if verdict != "" {
			f.Target, f.WithinTarget = number(280), verdict
		}
		return f
	}
	file := &result.File{
		Schema: result.Schema,
		Environment: result.Environment{
			CPU: "Intel(R) Xeon(R) Processor", Cores: 2, GOMAXPROCS: 2, Governor: "unknown", Kernel: "6.18.44",
			OS: "linux", Arch: "amd64", Go: "go1.26.8", Commit: "0123456789abcdef", Modified: true, Seed: 7,
		},
		Cells: []result.Cell{
			{Key: key("wazero", cells.FireAndForget, 64, 2, 1), Status: result.Measured, Figures: figures(250, result.Met)},
			{Key: key("wazero", cells.FireAndForget, 1024, 1000, 1), Status: result.Measured, Figures: figures(281, result.Undecided,
				"drift: the second half is -3.5 % off", "busy machine: others used 45 %, want at most 5 %")},
			{Key: key("native", cells.RequestResponse, 1<<20, 0, 2), Status: result.Measured, Figures: figures(1_234_567, "",
				"busy machine: others used 9.5 %, want at most 5 %")},
			{Key: key("native", cells.Call, 65, 0, 0), Status: result.Measured, Figures: figures(12_345, result.Missed,
				"busy machine: others used 90 %, want at most 5 %", "drift: the second half is +12.0 % off", "cut short")},
			{Key: with(key("wazero", cells.Call, 64, 1, 0), cells.Throughput, func(k *cells.Key) { k.Cores = 2 }), Status: result.Measured, Figures: in(figures(3_861_004, ""), cells.UnitPerSecond)},
			{Key: with(key("wazero", cells.RequestResponse, 64, 0, 0), cells.Load, func(k *cells.Key) { k.Cores, k.LoadPercent = 2, 50 }), Status: result.Measured, Figures: loaded(figures(14_500, "", "cut short"))},
			{Key: with(key("wazero", cells.Call, 64, 0, 0), cells.Cold, func(k *cells.Key) { k.Broker, k.Tracker, k.Part = "", "", "compile" }), Status: result.Measured, Figures: figures(8_123_000, "")},
			{Key: with(key("wazero", cells.Call, 64, 0, 0), cells.Cold, func(k *cells.Key) { k.Broker, k.Tracker, k.Part = "", "", "memory" }), Status: result.Measured, Figures: in(figures(75_776, ""), cells.UnitBytes)},
			{Key: with(key("wazero", cells.Call, 64, 0, 0), cells.Stages, func(k *cells.Key) { k.Part = "rest" }), Status: result.Measured, Figures: figures(-4.5, "")},
			{Key: with(key("Extism go-sdk", cells.Call, 65, 0, 0), cells.Latency, func(k *cells.Key) { k.Broker, k.Tracker, k.Peer = "", "", true }), Status: result.Measured, Figures: figures(48_850, "")},
			{Key: with(key("bare | wazero", cells.Call, 65, 0, 0), cells.Latency, func(k *cells.Key) { k.Broker, k.Tracker, k.Peer = "", "", true }), Status: result.Measured, Figures: figures(12_400, "")},
			{Key: key("wazero", cells.Call, 65, 0, 0), Status: result.Measured, Figures: figures(12_400, "")},
			{Key: with(key("native", cells.FireAndForget, 64, 2, 1), cells.Latency, func(k *cells.Key) { k.Broker = "channel" }), Status: result.Measured, Figures: figures(700, "")},
			{Key: key("wasmtime", cells.Call, 64, 0, 0), Status: result.LeftOut, Reason: "wasmtime: this build has no such engine"},
			{Key: key("process", cells.Call, 64, 0, 0), Status: result.LeftOut, Reason: "process: this build has no such engine"},
		},
	}
	for _, c := range file.Cells {
		if c.Figures != nil && c.Target != nil {
			c.SetFloor(c.Key, 60)
		}
	}
	return file
}

// elsewhere is the example as another machine measured it: some of it only there, and
// some not at all.
func elsewhere() *result.File {
	file := example()
	file.Environment.CPU, file.Environment.Cores = "AMD EPYC 7R13 48-Core Processor", 4
	file.Cells = slices.Delete(file.Cells, 3, 4)
	also := *file.Cells[0].Figures
	also.Median, also.CI95Low, also.CI95High = 65, 64, 66
	also.SetFloor(cells.Key{Engine: "wasmtime", Pattern: cells.FireAndForget, PayloadBytes: 64, Mode: cells.Latency}, 60)
	only := file.Cells[0]
	only.Engine, only.Figures = "wasmtime", &also
	file.Cells = append(file.Cells, only)
	return file
}

func split() []machines.Machine {
	return machines.Split([]machines.Run{{Name: "a.json", File: example()}, {Name: "b.json", File: elsewhere()}})
}

func TestMachinesGoldens(t *testing.T) {
	for name, print := range map[string]func(io.Writer, []machines.Machine) error{
		"machines.txt": output.Machines, "machines.md": output.MachinesMarkdown,
	} {
		var got strings.Builder
		if err := print(&got, split()); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, got.String())
	}
}

func TestGoldens(t *testing.T) {
	for name, print := range map[string]func(io.Writer, *result.File) error{
		"table.txt": output.Table, "markdown.md": output.Markdown, "bench.txt": output.BenchmarkText, "cells.csv": output.CSV,
	} {
		var got strings.Builder
		if err := print(&got, example()); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, got.String())
	}
}

func TestListGolden(t *testing.T) {
	var listed []output.Listed
	for _, cell := range example().Cells {
		listed = append(listed, output.Listed{Key: cell.Key, Reason: cell.Reason})
	}
	for name, print := range map[string]func(io.Writer, []output.Listed) error{"list.txt": output.List, "overview.txt": output.Overview} {
		var got strings.Builder
		if err := print(&got, listed); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, name, got.String())
	}
}

// The reader of benchstat reads the text.
func TestBenchmarkTextIsReadable(t *testing.T) {
	var text bytes.Buffer
	if err := output.BenchmarkText(&text, example()); err != nil {
		t.Fatal(err)
	}
	reader := benchfmt.NewReader(&text, "test")
	count := make(map[string]int)
	for reader.Scan() {
		line, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			t.Fatalf("got %v, want nothing but results", reader.Result())
		}
		base, parts := line.Name.Parts()
		count[string(base)+" "+line.Values[0].Unit]++
		if line.GetConfig("goos") != "linux" || line.Iters != 40_000 || len(parts) < 4 {
			t.Errorf("got %+v, want goos, 40000 iterations and the cell's parts", line)
		}
	}
	want := map[string]int{
		"FireAndForget sec/op": 9, "RequestResponse sec/op": 3, "RequestResponse p99.9-sec/op": 3,
		"Call sec/op": 18, "Call msg/s": 3, "Call B": 3,
	}
	if diff := cmp.Diff(want, count); diff != "" || reader.Err() != nil {
		t.Errorf("lines (-want +got), %v:\n%s", reader.Err(), diff)
	}
}

func TestCSVIsRectangular(t *testing.T) {
	var text bytes.Buffer
	if err := output.CSV(&text, example()); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&text).ReadAll()
	if err != nil || len(lines) != 1+len(example().Cells) {
		t.Errorf("got %d lines, %v; want the header and one for each cell", len(lines), err)
	}
}

func TestTableOfNothing(t *testing.T) {
	file := example()
	file.Cells = file.Cells[len(file.Cells)-2:]
	var got strings.Builder
	if err := output.Table(&got, file); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "nothing.txt", got.String())
}

func TestIsTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if output.IsTerminal(file) {
		t.Error("a regular file is taken for a terminal")
	}
}
