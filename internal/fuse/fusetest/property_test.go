package fusetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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

// TestRandomGraphs: fused and linked instances do the same. Most graphs must work, and
// some must not, or the test says nothing.
func TestRandomGraphs(t *testing.T) {
	const graphs = 400
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

func FuzzGraphs(f *testing.F) {
	f.Add(uint64(1 << 40))
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed, newWazero) })
}
