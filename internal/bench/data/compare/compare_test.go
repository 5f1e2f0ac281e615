package compare_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/montanaflynn/stats"
	"pgregory.net/rapid"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
)

func key(pattern cells.Pattern) cells.Key {
	return cells.Key{
		Engine: "wazero", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency,
	}
}

func number(x float64) *float64 { return &x }

// measured is a cell with samples.
func measured(key cells.Key, unit string, samples ...float64) result.Cell {
	median, err := stats.Median(samples)
	if err != nil {
		panic(err)
	}
	return result.Cell{Key: key, Status: result.Measured, Figures: &result.Figures{
		Unit: unit, Samples: samples, OpsPerSample: 1000, Median: median, Warnings: []string{},
	}}
}

// withFloor gives the cell a floor.
func withFloor(cell result.Cell, floor float64) result.Cell {
	cell.Floor, cell.FloorMultiple = &floor, number(cell.Median/floor)
	return cell
}

// around returns n samples around a level, each with noise of one part in a hundred,
// by the seed.
func around(level float64, n int, seed uint64) []float64 {
	random := rand.New(rand.NewPCG(seed, seed))
	samples := make([]float64, n)
	for i := range samples {
		samples[i] = level * math.Exp(0.01*random.NormFloat64())
	}
	return samples
}

// commits counts the commits of files: each file is of another one.
var commits atomic.Int64

func file(cells ...result.Cell) *result.File {
	return &result.File{
		Schema: result.Schema,
		Environment: result.Environment{
			CPU: "Intel(R) Xeon(R) Processor", Cores: 2, GOMAXPROCS: 2, Governor: "unknown", Kernel: "6.18.44",
			OS: "linux", Arch: "amd64", Go: "go1.26.8", Commit: fmt.Sprintf("%016x", commits.Add(1)), Seed: 7, Started: "2026-11-23T10:00:00Z",
			Modules: map[string]string{}, Flags: []string{},
		},
		Cells: cells,
	}
}

// session makes the files files of one session.
func session(files ...*result.File) {
	for _, f := range files {
		f.Environment.Flags = []string{"--against=HEAD~1"}
	}
}

func only(t *testing.T, base, head *result.File, threshold float64) compare.Cell {
	t.Helper()
	c, err := compare.Files(base, head, threshold)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Cells) != 1 {
		t.Fatalf("%d cells were compared, want one", len(c.Cells))
	}
	return c.Cells[0]
}

func TestVerdicts(t *testing.T) {
	ns, rate, bytes := cells.UnitNanoseconds, cells.UnitPerSecond, cells.UnitBytes
	for _, c := range []struct {
		name       string
		unit       string
		base, head float64
		threshold  float64
		want       compare.Verdict
		word       string
	}{
		{"the same", ns, 250, 250, 0.05, compare.Same, "~"},
		{"slower", ns, 250, 275, 0.05, compare.Worse, "slower"},
		{"faster", ns, 250, 225, 0.05, compare.Better, "faster"},
		{"slower by less than matters", ns, 250, 260, 0.05, compare.Same, "~"},
		{"slower by more than was set", ns, 250, 260, 0.02, compare.Worse, "slower"},
		{"fewer a second", rate, 4e6, 3.6e6, 0.05, compare.Worse, "slower"},
		{"more a second", rate, 4e6, 4.4e6, 0.05, compare.Better, "faster"},
		{"more memory", bytes, 1000, 1100, 0.05, compare.Worse, "larger"},
		{"less memory", bytes, 1000, 900, 0.05, compare.Better, "smaller"},
	} {
		for _, paired := range []bool{false, true} {
			base := file(measured(key(cells.Call), c.unit, around(c.base, 48, 1)...))
			head := file(measured(key(cells.Call), c.unit, around(c.head, 48, 2)...))
			if paired {
				session(base, head)
			}
			cell := only(t, base, head, c.threshold)
			if cell.Verdict != c.want || cell.Word() != c.word {
				t.Errorf("%s, paired %v: got %s, %q; want %s, %q (%+v)", c.name, paired, cell.Verdict, cell.Word(), c.want, c.word, cell)
			}
			change := c.head/c.base - 1
			if math.Abs(cell.Change-change) > 0.01 || cell.ChangeLow > change || cell.ChangeHigh < change {
				t.Errorf("%s, paired %v: changed by %v (%v to %v), want %v", c.name, paired, cell.Change, cell.ChangeLow, cell.ChangeHigh, change)
			}
		}
	}
}

// A machine that is a tenth slower in the second of two runs is slower at the
// floor too.
func TestSeparateRunsAreComparedByMultiple(t *testing.T) {
	base := file(withFloor(measured(key(cells.Call), cells.UnitNanoseconds, around(250, 50, 1)...), 60))
	head := file(withFloor(measured(key(cells.Call), cells.UnitNanoseconds, around(275, 50, 2)...), 66))
	cell := only(t, base, head, 0.05)
	if cell.Unit != cells.UnitMultiple || cell.Verdict != compare.Same || math.Abs(cell.Base-250.0/60) > 0.1 {
		t.Errorf("got %+v, want the same multiple", cell)
	}
	head.Cells[0].Floor = nil
	if cell := only(t, base, head, 0.05); cell.Unit != cells.UnitNanoseconds || cell.Verdict != compare.Worse {
		t.Errorf("without a floor: got %+v, want it slower, in ns/op", cell)
	}
}

func TestIncomparable(t *testing.T) {
	both := func() (base, head *result.File) {
		cells := []result.Cell{
			measured(key(cells.Call), cells.UnitNanoseconds, around(250, 30, 1)...),
			measured(key(cells.FireAndForget), cells.UnitNanoseconds, around(250, 30, 1)...),
		}
		return file(cells...), file(slices.Clone(cells)...)
	}
	for name, c := range map[string]struct {
		spoil func(base, head *result.File)
		says  string
	}{
		"CPU":        {func(_, head *result.File) { head.Environment.CPU = "other" }, "CPU: Intel(R) Xeon(R) Processor in base, other in head"},
		"cores":      {func(_, head *result.File) { head.Environment.Cores = 8 }, "cores: 2 in base, 8 in head"},
		"GOMAXPROCS": {func(_, head *result.File) { head.Environment.GOMAXPROCS = 1 }, "GOMAXPROCS: 2 in base, 1 in head"},
		"governor":   {func(_, head *result.File) { head.Environment.Governor = "powersave" }, "governor"},
		"arch":       {func(_, head *result.File) { head.Environment.Arch = "arm64" }, "linux/arm64 in head"},
		"lost cell":  {func(_, head *result.File) { head.Cells = head.Cells[:1] }, "head has no figures of wazero/inproc/slab/fire-and-forget"},
		"left out": {func(_, head *result.File) {
			head.Cells[1] = result.Cell{Key: key(cells.FireAndForget), Status: result.LeftOut, Reason: "no cgo"}
		}, "left out: no cgo"},
		"unit": {func(_, head *result.File) {
			head.Cells[1] = measured(key(cells.FireAndForget), cells.UnitBytes, 1, 2)
		}, "is in ns/op in base, and in B in head"},
		"nothing in common": {func(base, head *result.File) { base.Cells, head.Cells = nil, head.Cells[:1] }, "no measured cell in common"},
	} {
		base, head := both()
		c.spoil(base, head)
		if _, err := compare.Files(base, head, 0.05); !errors.Is(err, compare.ErrIncomparable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want ErrIncomparable that says %q", name, err, c.says)
		}
	}
}

func TestSkipped(t *testing.T) {
	common := measured(key(cells.Call), cells.UnitNanoseconds, around(250, 30, 1)...)
	base := file(common,
		result.Cell{Key: key(cells.FireAndForget), Status: result.LeftOut, Reason: "no such engine"},
		measured(key("difference"), cells.UnitNanoseconds, 3, -1, 2))
	head := file(common,
		measured(key(cells.FireAndForget), cells.UnitNanoseconds, 1, 2),
		measured(key("difference"), cells.UnitNanoseconds, 3, 1, 2),
		measured(key(cells.RequestResponse), cells.UnitNanoseconds, 1, 2))
	c, err := compare.Files(base, head, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"left out of base: no such engine", "not all samples are above 0", "base does not have it"} {
		if len(c.Skipped) != 3 || !strings.HasPrefix(c.Skipped[i].Reason, want) {
			t.Fatalf("skipped %v, want 3, the one at %d with %q", c.Skipped, i, want)
		}
	}
}

func TestWarningsTravel(t *testing.T) {
	base := file(measured(key(cells.Call), cells.UnitNanoseconds, around(250, 3, 1)...))
	head := file(measured(key(cells.Call), cells.UnitNanoseconds, around(500, 3, 2)...))
	base.Cells[0].Warnings, head.Cells[0].Warnings = []string{"busy"}, []string{"drift"}
	head.Cells[0].AllocsPerOp = 1
	head.Environment.Go = "go1.27.0"
	c, err := compare.Files(base, head, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(append(c.Cells[0].Warnings, c.Warnings...), "\n")
	for _, want := range []string{
		"base: busy", "head: drift", "allocations: 1.00 an operation, +1.00",
		"too few samples for 1 cell: no difference could be more than chance", "Go: go1.26.8 in base, go1.27.0 in head", "separate runs",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no warning %q in:\n%s", want, got)
		}
	}
	if c.Cells[0].Verdict != compare.Same {
		t.Errorf("three samples each that do not overlap are called %s, want the same: p is 0.1 at least", c.Cells[0].Verdict)
	}
}

// machine simulates a shared machine. It has phases of some rounds in which
// everything is slower or faster by a tenth. Each start of a process is off by a few
// percent, and each sample by some more.
type machine struct {
	random *rand.Rand
	phase  float64
}

// run returns the samples of a cell of each build, taken in turns, where head
// takes slower times as long.
func (m *machine) run(slower float64) (base, head []float64) {
	const rounds = 6
	for range compare.Starts {
		placeOfBase, placeOfHead := 0.02*m.random.NormFloat64(), 0.02*m.random.NormFloat64()
		for range rounds {
			if m.random.IntN(40) == 0 {
				m.phase = 0.1 * (2*m.random.Float64() - 1)
			}
			base = append(base, 250*math.Exp(m.phase+placeOfBase+0.02*m.random.NormFloat64()))
			head = append(head, 250*slower*math.Exp(m.phase+placeOfHead+0.02*m.random.NormFloat64()))
		}
	}
	return base, head
}

// Each simulated session has two cells, and no threshold that would hide a false
// alarm. Separate runs, one after the other, show why samples are paired.
func TestSimulatedSessions(t *testing.T) {
	alarms := func(sessions int, slower, threshold float64, paired bool) (found int) {
		m := &machine{random: rand.New(rand.NewPCG(4, 4))}
		for range sessions {
			var base, head []result.Cell
			for _, pattern := range []cells.Pattern{cells.FireAndForget, cells.RequestResponse} {
				b, h := m.run(slower)
				if !paired {
					_, h = m.run(slower)
				}
				base = append(base, measured(key(pattern), cells.UnitNanoseconds, b...))
				head = append(head, measured(key(pattern), cells.UnitNanoseconds, h...))
			}
			baseFile, headFile := file(base...), file(head...)
			if paired {
				session(baseFile, headFile)
			}
			c, err := compare.Files(baseFile, headFile, threshold)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Changed()) > 0 {
				found++
			}
		}
		return found
	}
	// 5 % of 120 are 6, with a standard deviation of 2.4.
	if n := alarms(120, 1, 0, true); n > 13 {
		t.Errorf("the same build in turns: %d of 120 sessions find a change, want about 6 at most", n)
	}
	if n := alarms(20, 1, 0, false); n < 14 {
		t.Errorf("the same build in separate runs: %d of 20 find a change, want most: the test needs a worse machine", n)
	}
	if n := alarms(120, 1.05, 0.025, true); n < 114 {
		t.Errorf("5 %% slower: found in %d of 120 sessions, want nearly all", n)
	}
}

func drawSamples(t *rapid.T, name string) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(100, 1000), 20, 20).Draw(t, name)
}

func TestSwappedAndScaled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, h := drawSamples(t, "base"), drawSamples(t, "head")
		paired := rapid.Bool().Draw(t, "paired")
		compared := func(b, h []float64, factor float64) compare.Cell {
			base := file(measured(key(cells.Call), cells.UnitNanoseconds, scaled(b, factor)...))
			head := file(measured(key(cells.Call), cells.UnitNanoseconds, scaled(h, factor)...))
			if paired {
				session(base, head)
			}
			c, err := compare.Files(base, head, 0)
			if err != nil {
				t.Fatal(err)
			}
			return c.Cells[0]
		}
		straight, swapped, larger := compared(b, h, 1), compared(h, b, 1), compared(b, h, 4)
		if math.Abs(straight.P-swapped.P) > 1e-9 || math.Abs((1+straight.Change)*(1+swapped.Change)-1) > 1e-9 {
			t.Fatalf("got %+v, and the other way round %+v", straight, swapped)
		}
		// Logarithms of scaled samples are rounded otherwise, which can part ties.
		if math.Abs(straight.Change-larger.Change) > 1e-9 || !paired && math.Abs(straight.P-larger.P) > 1e-9 {
			t.Fatalf("got %+v, and with samples four times as large %+v", straight, larger)
		}
		opposite := map[compare.Verdict]compare.Verdict{compare.Same: compare.Same, compare.Better: compare.Worse, compare.Worse: compare.Better}
		if swapped.Verdict != opposite[straight.Verdict] {
			t.Fatalf("got %s, and the other way round %s", straight.Verdict, swapped.Verdict)
		}
	})
}

func scaled(samples []float64, factor float64) []float64 {
	all := make([]float64, len(samples))
	for i, sample := range samples {
		all[i] = factor * sample
	}
	return all
}

func TestConfirm(t *testing.T) {
	compared := func(fire, call float64) *compare.Comparison {
		base := file(
			measured(key(cells.FireAndForget), cells.UnitNanoseconds, around(250, 48, 1)...),
			measured(key(cells.Call), cells.UnitNanoseconds, around(100, 48, 3)...))
		head := file(
			measured(key(cells.FireAndForget), cells.UnitNanoseconds, around(fire, 48, 2)...),
			measured(key(cells.Call), cells.UnitNanoseconds, around(call, 48, 4)...))
		session(base, head)
		c, err := compare.Files(base, head, 0.05)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := compared(275, 110)
	if len(c.Changed()) != 2 || !c.Regressed() {
		t.Fatalf("got %+v, want both slower", c.Cells)
	}
	c.Confirm(compared(275, 101))
	if len(c.Changed()) != 1 || c.Changed()[0] != key(cells.FireAndForget) || !c.Regressed() {
		t.Errorf("confirmed: %v, want fire-and-forget alone", c.Changed())
	}
	if warnings := strings.Join(c.Cells[1].Warnings, ""); !strings.Contains(warnings, "not confirmed: slower by +10") || *c.Cells[1].Again > 0.02 {
		t.Errorf("the change that was not confirmed has the warnings %q and %v", warnings, *c.Cells[1].Again)
	}
	c.Confirm(compared(225, 110))
	if c.Regressed() {
		t.Errorf("slower and then faster is %s, want the same", c.Cells[0].Verdict)
	}
}
