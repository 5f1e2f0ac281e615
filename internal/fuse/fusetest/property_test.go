package fusetest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// compare checks that a random graph does the same fused and linked.
func compare(t *testing.T, seed uint64, start func(testing.TB) machine) (got outcome) {
	t.Helper()
	g, calls := newRandom(seed).make()
	want := linked(start(t), g, calls)
	got = fused(t, start(t), g, calls)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("seed %d (-linked +fused):\n%s", seed, diff)
	}
	return got
}

// rounds returns n, or less for short tests, which run under the race detector.
func rounds(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

// TestRandomGraphs: fused and linked instances do the same. Most graphs must work, and
// some must not, or the test says nothing.
func TestRandomGraphs(t *testing.T) {
	graphs := rounds(300)
	var failed, traps, results, logs int
	for seed := range uint64(graphs) {
		got := compare(t, seed, newWazero)
		if got.Failed {
			failed++
		}
		logs += len(got.Log)
		for _, r := range got.Results {
			if results++; r == "trap" {
				traps++
			}
		}
	}
	t.Logf("%d of %d graphs fail, %d of %d calls trap, %d values are logged", failed, graphs, traps, results, logs)
	if failed < graphs/50 || failed > graphs/2 || traps < results/50 || traps > results*4/5 || logs < graphs {
		t.Error("the graphs are not of all sorts")
	}
}

// TestRandomGraphsOnAllEngines: engines differ in the rare cases that TestRandomGraphs
// avoids, and in the code that they make of a graph.
func TestRandomGraphsOnAllEngines(t *testing.T) {
	for name, start := range machines {
		t.Run(name, func(t *testing.T) {
			for i := range rounds(40) {
				compare(t, 1<<32+uint64(i), start)
			}
		})
	}
}

func FuzzGraphs(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed, newWazero) })
}

// damaged makes a graph, and damages it.
func damaged(seed uint64, flips int) fuse.Graph {
	r := newRandom(seed)
	g, _ := r.make()
	for range flips {
		switch n := r.IntN(8); n {
		case 0:
			to := &g.Instances[r.IntN(len(g.Instances))]
			to.Module = r.IntN(len(g.Modules)+2) - 1
		case 1:
			to := g.Instances[r.IntN(len(g.Instances))].Arguments
			if len(to) > 0 {
				to[r.IntN(len(to))].Instance = r.IntN(len(g.Instances)+2) - 1
			}
		case 2:
			to := &g.Exports[r.IntN(len(g.Exports))].Item
			to.Kind, to.Instance = wasm.Kind(r.IntN(5)), r.IntN(len(g.Instances)+1)
		default:
			module := g.Modules[r.IntN(len(g.Modules))]
			module[r.IntN(len(module))] ^= byte(1 << r.IntN(8))
		}
	}
	return g
}

// checkDamaged checks that a damaged graph is an error, or a module that can be read.
func checkDamaged(t *testing.T, seed uint64, flips int) bool {
	t.Helper()
	m, err := fuse.Fuse(damaged(seed, flips))
	if err != nil {
		if text := err.Error(); len(text) > 1000 || strings.Contains(text, "\n") {
			t.Errorf("seed %d, %d flips: the error is not one line of at most 1000 bytes: %q", seed, flips, text)
		}
		return false
	}
	if _, err := wasm.Parse(m.Encode()); err != nil {
		t.Errorf("seed %d, %d flips: the fused module: %v", seed, flips, err)
	}
	return true
}

func TestDamagedGraphs(t *testing.T) {
	fused := 0
	graphs := rounds(4000)
	for seed := range uint64(graphs) {
		if checkDamaged(t, seed, 1+int(seed%3)) {
			fused++
		}
	}
	t.Logf("%d of %d were fused", fused, graphs)
	if fused < graphs/50 || fused > graphs*49/50 {
		t.Error("the damage is not of all sorts")
	}
}

func FuzzDamagedGraphs(f *testing.F) {
	f.Add(uint64(1), 1)
	f.Fuzz(func(t *testing.T, seed uint64, flips int) { checkDamaged(t, seed, flips&31) })
}
