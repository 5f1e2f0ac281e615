package output_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"

	"github.com/airhost/airhost/internal/bench/output"
	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/sampling"
)

func number(x float64) *float64 { return &x }

// example has a cell of each kind that outputs tell apart.
func example() *result.File {
	key := func(engine string, pattern result.Pattern, payload, components, pairs int) result.Key {
		return result.Key{
			Engine: engine, Broker: "inproc", Tracker: "slab", Pattern: pattern,
			PayloadBytes: payload, Mode: result.Latency, Components: components, Pairs: pairs,
		}
	}
	figures := func(median float64, verdict result.Verdict, warnings ...string) *result.Figures {
		f := &result.Figures{
			Unit: result.UnitNanoseconds, Samples: []float64{median * 1.02, median, median * 0.99}, OpsPerSample: 40_000,
			Median: median, CI95Low: median * 0.99, CI95High: median * 1.02, Mean: median * 1.0033, Stddev: median / 50,
			MAD: median / 100, Q1: median * 0.99, Q3: median * 1.02, AllocsPerOp: 1, BytesPerOp: 64,
			Warnings: append([]string{}, warnings...),
		}
		if verdict != "" {
			f.Target, f.WithinTarget = number(280), verdict
			f.Floor, f.FloorMultiple = number(60), number(median/60)
		}
		return f
	}
	return &result.File{
		Schema: result.Schema,
		Environment: result.Environment{
			CPU: "Intel(R) Xeon(R) Processor", Cores: 2, GOMAXPROCS: 2, Governor: "unknown", Kernel: "6.18.44",
			OS: "linux", Arch: "amd64", Go: "go1.26.8", Commit: "0123456789abcdef", Modified: true, Seed: 7,
		},
		Cells: []result.Cell{
			{Key: key("wazero", result.FireAndForget, 64, 2, 1), Status: result.Measured, Figures: figures(250, result.Met)},
			{Key: key("wazero", result.FireAndForget, 1024, 1000, 1), Status: result.Measured, Figures: figures(281, result.Undecided,
				"drift: the second half is -3.5 % off", "busy machine: others used 45 %, want at most 5 %")},
			{Key: key("native", result.RequestResponse, 1<<20, 0, 2), Status: result.Measured, Figures: figures(1_234_567, "",
				"busy machine: others used 9.5 %, want at most 5 %")},
			{Key: key("native", result.Call, 65, 0, 0), Status: result.Measured, Figures: figures(12_345, result.Missed,
				"busy machine: others used 90 %, want at most 5 %", "drift: the second half is +12.0 % off", "cut short")},
			{Key: key("wasmtime", result.Call, 64, 0, 0), Status: result.LeftOut, Reason: "wasmtime: this build has no such engine"},
			{Key: key("process", result.Call, 64, 0, 0), Status: result.LeftOut, Reason: "process: this build has no such engine"},
		},
	}
}

// UPDATE=1 go test writes the golden files anew.
func golden(t *testing.T, name string, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestGoldens(t *testing.T) {
	for name, print := range map[string]func(io.Writer, *result.File) error{
		"table.txt": output.Table, "bench.txt": output.BenchmarkText, "cells.csv": output.CSV,
	} {
		var got strings.Builder
		if err := print(&got, example()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, got.String())
	}
}

func TestListGolden(t *testing.T) {
	var listed []output.Listed
	for _, cell := range example().Cells {
		listed = append(listed, output.Listed{Key: cell.Key, Reason: cell.Reason})
	}
	var got strings.Builder
	if err := output.List(&got, listed); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.txt", got.String())
}

// What benchstat's own reader makes of the text.
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
		base, _ := line.Name.Parts()
		count[string(base)]++
		if _, ok := line.Value("sec/op"); !ok || line.GetConfig("goos") != "linux" || line.Iters != 40_000 {
			t.Errorf("got %+v, want ns/op, goos and 40000 iterations", line)
		}
	}
	want := map[string]int{"FireAndForget": 6, "RequestResponse": 3, "Call": 3}
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
	file.Cells = file.Cells[4:]
	var got strings.Builder
	if err := output.Table(&got, file); err != nil {
		t.Fatal(err)
	}
	golden(t, "nothing.txt", got.String())
}

func TestLive(t *testing.T) {
	progress := []sampling.Progress{
		{Subject: "a"}, {Subject: "b", Round: 3, Rounds: 50, Left: 90 * time.Second},
	}
	for _, p := range progress {
		var silent, line strings.Builder
		output.NewLive(&silent, false).Show(p)
		live := output.NewLive(&line, true)
		live.Show(p)
		live.Show(p) // too soon after the first
		live.Clear()
		if silent.Len() > 0 {
			t.Errorf("no terminal: wrote %q, want nothing", silent.String())
		}
		if got := strings.Count(line.String(), p.Subject+"\r\x1b[K"); got != 1 || strings.Contains(line.String(), "\n") {
			t.Errorf("wrote %q, want the line once, and then none", line.String())
		}
	}
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
