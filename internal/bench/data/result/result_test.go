package result_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/golden"
)

func key(pattern cells.Pattern) cells.Key {
	return cells.Key{
		Engine: "wazero", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency,
	}
}

func number(x float64) *float64 { return &x }

// example has every field, and every way in which one can be missing.
func example() *result.File {
	ball := key(cells.FireAndForget)
	ball.Components, ball.Pairs = 2, 1
	left := key(cells.Call)
	left.Engine = "wasmtime"
	crowd, load, part, peer := key(cells.Call), key(cells.Call), key(cells.Call), key(cells.Call)
	crowd.Mode, crowd.Components, crowd.Cores = cells.Throughput, 10, 2
	load.Mode, load.LoadPercent = cells.Load, 50
	part.Mode, part.Part = cells.Cold, "memory"
	peer.Engine, peer.Broker, peer.Tracker, peer.Peer = "extism", "", "", true
	measured := func(unit string) *result.Figures {
		return &result.Figures{
			Unit: unit, Samples: []float64{5}, OpsPerSample: 1,
			Median: 5, CI95Low: 5, CI95High: 5, Mean: 5, Q1: 5, Q3: 5, Warnings: []string{},
		}
	}
	tails := measured(cells.UnitNanoseconds)
	tails.Percentiles = []result.Percentile{
		{Percent: 50, Value: 1, CI95Low: 1, CI95High: 2}, {Percent: 99.9, Value: 5, CI95Low: 4, CI95High: 6},
	}
	tails.RatePerSecond, tails.LateSends = 250_000, 3
	return &result.File{
		Schema: result.Schema,
		Environment: result.Environment{
			CPU: "Intel(R) Xeon(R) Processor", Cores: 2, GOMAXPROCS: 2, Governor: "unknown",
			Kernel: "6.18.44", OS: "linux", Arch: "amd64", Go: "go1.26.8",
			Modules: map[string]string{"github.com/tetratelabs/wazero": "v1.12.0"},
			Commit:  "d25c8c4", Modified: true, Flags: []string{"--quick=true"}, Seed: 1<<64 - 1,
			Started: "2026-11-23T10:00:00Z",
		},
		Cells: []result.Cell{
			{Key: ball, Status: result.Measured, Figures: &result.Figures{
				Unit: cells.UnitNanoseconds, Samples: []float64{251.5, 250, 260.25}, OpsPerSample: 1000,
				Median: 251.5, CI95Low: 250, CI95High: 260.25, Mean: 253.9, Stddev: 5.5, MAD: 1.5, Q1: 250, Q3: 260.25, Outliers: 1,
				Floor: number(62.875), FloorMultiple: number(4), Target: number(280), WithinTarget: result.Met, TargetMultiple: number(1.2), WithinMultiple: result.Missed,
				AllocsPerOp: 0, BytesPerOp: 0.5, Warnings: []string{"too few samples: 3, want at least 30"},
			}},
			{Key: key(cells.RequestResponse), Status: result.Measured, Figures: &result.Figures{
				Unit: cells.UnitNanoseconds, Samples: []float64{500}, OpsPerSample: 1,
				Median: 500, CI95Low: 500, CI95High: 500, Mean: 500, Q1: 500, Q3: 500, Warnings: []string{},
			}},
			{Key: left, Status: result.LeftOut, Reason: "wasmtime: this build has no such engine"},
			{Key: crowd, Status: result.Measured, Figures: measured(cells.UnitPerSecond)},
			{Key: load, Status: result.Measured, Figures: tails},
			{Key: part, Status: result.Measured, Figures: measured(cells.UnitBytes)},
			{Key: peer, Status: result.Measured, Figures: measured(cells.UnitNanoseconds)},
		},
		Cut: true,
	}
}

func TestGolden(t *testing.T) {
	var got bytes.Buffer
	if err := example().Write(&got); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "schema1.json", got.String()) // the file of schema 1
}

func TestRoundTrip(t *testing.T) {
	var text bytes.Buffer
	if err := example().Write(&text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := result.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("a file is read as something else (-want +got):\n%s", diff)
	}
}

func TestReadIsStrict(t *testing.T) {
	var text bytes.Buffer
	if err := example().Write(&text); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		if !strings.Contains(text.String(), old) {
			t.Fatalf("the example has no %s", old)
		}
		return strings.Replace(text.String(), old, new, 1)
	}
	cases := map[string]string{
		"unknown field":         replace(`"schema"`, `"format": 1, "schema"`),
		"unknown field of cell": replace(`"median"`, `"middle": 1, "median"`),
		"other schema":          replace(`"schema": 1`, `"schema": 2`),
		"text after the end":    text.String() + "{}",
		"cut off":               text.String()[:text.Len()/2],
		"wrong type":            replace(`"median": 251.5`, `"median": "251.5"`),
		"unknown pattern":       replace(`"call"`, `"calls"`),
		"unknown mode":          replace(`"latency"`, `"lateness"`),
		"unknown status":        replace(`"left-out"`, `"forgotten"`),
		"empty":                 "",
	}
	for name, text := range cases {
		if _, err := result.Read(strings.NewReader(text)); !errors.Is(err, result.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if _, err := result.ReadFile("testdata/none.json"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v, want ErrNotExist", err)
	}
}

func TestValidate(t *testing.T) {
	cases := map[string]func(*result.File){
		"twice the same cell":       func(f *result.File) { f.Cells = append(f.Cells, f.Cells[0]) },
		"left out without a reason": func(f *result.File) { f.Cells[2].Reason = "" },
		"left out with figures":     func(f *result.File) { f.Cells[2].Figures = f.Cells[0].Figures },
		"measured without figures":  func(f *result.File) { f.Cells[0].Figures = nil },
		"measured without samples":  func(f *result.File) { f.Cells[0].Samples = nil },
		"no list of warnings":       func(f *result.File) { f.Cells[0].Warnings = nil },
		"target without a verdict":  func(f *result.File) { f.Cells[0].WithinTarget = "" },
		"multiple, no verdict":      func(f *result.File) { f.Cells[0].WithinMultiple = "" },
		"a multiple of no floor":    func(f *result.File) { f.Cells[0].Floor, f.Cells[0].FloorMultiple = nil, nil },
		"floor without a multiple":  func(f *result.File) { f.Cells[0].FloorMultiple = nil },
		"unknown unit":              func(f *result.File) { f.Cells[0].Unit = "s" },
		"throughput in time":        func(f *result.File) { f.Cells[3].Unit = cells.UnitNanoseconds },
		"latency in messages":       func(f *result.File) { f.Cells[0].Unit = cells.UnitPerSecond },
		"throughput without cores":  func(f *result.File) { f.Cells[3].Cores = 0 },
		"latency with cores":        func(f *result.File) { f.Cells[0].Cores = 1 },
		"load without a rate":       func(f *result.File) { f.Cells[4].LoadPercent = 0 },
		"latency at a rate":         func(f *result.File) { f.Cells[0].LoadPercent = 50 },
		"cold without a part":       func(f *result.File) { f.Cells[5].Part = "" },
		"latency of a part":         func(f *result.File) { f.Cells[0].Part = "memory" },
		"load without percentiles":  func(f *result.File) { f.Cells[4].Percentiles = nil },
		"load, no rate kept":        func(f *result.File) { f.Cells[4].RatePerSecond = 0 },
		"percentiles in disorder":   func(f *result.File) { slices.Reverse(f.Cells[4].Percentiles) },
		"latency with percentiles":  func(f *result.File) { f.Cells[0].Percentiles = f.Cells[4].Percentiles },
		"load, warnings missing":    func(f *result.File) { f.Cells[4].Warnings = nil },
	}
	for name, spoil := range cases {
		f := example()
		spoil(f)
		var text bytes.Buffer
		if err := f.Write(&text); !errors.Is(err, result.ErrInvalid) || text.Len() > 0 {
			t.Errorf("%s: got %v and %d bytes, want ErrInvalid and none", name, err, text.Len())
		}
	}
}

func TestVerdict(t *testing.T) {
	cases := []struct {
		low, high float64
		want      result.Verdict
	}{
		{270, 279, result.Met}, {270, 280, result.Met}, {279, 281, result.Undecided},
		{280, 290, result.Undecided}, {280.1, 290, result.Missed},
	}
	for _, c := range cases {
		if got := result.VerdictOf(c.low, c.high, 280); got != c.want {
			t.Errorf("%v to %v against 280: got %s, want %s", c.low, c.high, got, c.want)
		}
	}
}

// A file from before there were targets in multiples is read as if it had them.
func TestOlderFilesGetTargets(t *testing.T) {
	file := example()
	file.Cells[0].TargetMultiple, file.Cells[0].WithinMultiple = nil, ""
	var text bytes.Buffer
	if err := file.Write(&text); err != nil {
		t.Fatal(err)
	}
	read, err := result.Read(&text)
	if diff := cmp.Diff(example(), read); diff != "" || err != nil {
		t.Errorf("%v; the targets are not those of this build (-want +got):\n%s", err, diff)
	}
}

func TestGoals(t *testing.T) {
	want := []result.Goal{
		{cells.UnitNanoseconds, 280, 251.5, 250, 260.25, result.Met},
		{cells.UnitMultiple, 1.2, 4, 250 / 62.875, 260.25 / 62.875, result.Missed},
	}
	if diff := cmp.Diff(want, example().Cells[0].Goals()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if goals := example().Cells[2].Goals(); len(goals) != 0 {
		t.Errorf("a cell that was left out has the goals %v", goals)
	}
	other := key(cells.Call)
	other.Engine = "another"
	f := &result.Figures{Median: 12, CI95Low: 11, CI95High: 13, Target: number(20), WithinTarget: result.Met}
	if f.SetFloor(other, 4); *f.FloorMultiple != 3 || f.TargetMultiple != nil {
		t.Errorf("got %v and the target %v, want 3 and none", *f.FloorMultiple, f.TargetMultiple)
	}
}

func TestMachineNames(t *testing.T) {
	machine := func(cpu string, cores int) result.Machine {
		return result.Environment{CPU: cpu, Cores: cores, GOMAXPROCS: cores, Governor: "unknown", OS: "linux", Arch: "amd64"}.Machine()
	}
	for _, c := range []struct {
		machines []result.Machine
		want     []string
	}{
		{[]result.Machine{machine("Intel(R) Xeon(R) Processor", 2), machine("AMD EPYC", 2)}, []string{"Intel Xeon", "AMD EPYC"}},
		{[]result.Machine{machine("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", 8)}, []string{"Intel Core i7-8650U"}},
		{[]result.Machine{machine("AMD EPYC 7R13 48-Core Processor", 4)}, []string{"AMD EPYC 7R13"}},
		{[]result.Machine{machine("Processor", 4), machine("unknown", 4)}, []string{"Processor", "unknown"}},
		{[]result.Machine{machine("AMD EPYC", 2), machine("AMD EPYC", 4)}, []string{"AMD EPYC, 2 cores, GOMAXPROCS 2", "AMD EPYC, 4 cores, GOMAXPROCS 4"}},
		{[]result.Machine{machine("AMD EPYC", 2), machine("AMD(R) EPYC", 2), machine("Z", 2)}, []string{"AMD EPYC, AMD EPYC", "AMD EPYC, AMD(R) EPYC", "Z"}},
	} {
		if diff := cmp.Diff(c.want, result.MachineNames(c.machines)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}
