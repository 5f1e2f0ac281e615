package stat_test

import (
	"math"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/internal/bench/data/stat"
)

// withU returns n1 and n2 different values of which u pairs have the first
// set's value above the second's.
func withU(n1, n2, u int) (a, b []float64) {
	for i := range n1 {
		above := min(n2, u)
		u -= above
		a = append(a, float64(above)+0.5-float64(i)/1000)
	}
	for i := range n2 {
		b = append(b, float64(i+1))
	}
	return a, b
}

// The largest U that differs at a level in both directions, from the tables that
// textbooks reprint (Siegel, "Nonparametric statistics for the behavioral
// sciences", 1956, table K, after Auble, 1953).
func TestMannWhitneyAgainstTable(t *testing.T) {
	for _, c := range []struct {
		level     float64
		n1, n2, u int
	}{
		{0.05, 4, 4, 0}, {0.05, 5, 5, 2}, {0.05, 6, 6, 5}, {0.05, 7, 7, 8}, {0.05, 8, 8, 13},
		{0.05, 9, 9, 17}, {0.05, 10, 10, 23}, {0.05, 12, 12, 37}, {0.05, 15, 15, 64}, {0.05, 20, 20, 127},
		{0.05, 5, 10, 8}, {0.05, 8, 12, 22}, {0.05, 10, 20, 55}, {0.05, 20, 10, 55},
		{0.01, 5, 5, 0}, {0.01, 8, 8, 7}, {0.01, 10, 10, 16}, {0.01, 15, 15, 51}, {0.01, 20, 20, 105},
	} {
		at := stat.MannWhitney(withU(c.n1, c.n2, c.u))
		above := stat.MannWhitney(withU(c.n1, c.n2, c.u+1))
		if at > c.level || above <= c.level {
			t.Errorf("%d and %d samples: p is %.4f at U = %d and %.4f at %d; the table has them around %v",
				c.n1, c.n2, at, c.u, above, c.u+1, c.level)
		}
	}
}

// All ways to divide the values into two sets of the same size, counted.
func TestMannWhitneyWithTies(t *testing.T) {
	u := func(values []float64, first uint) (u float64) {
		for i, x := range values {
			for j, y := range values {
				if first>>i&1 == 1 && first>>j&1 == 0 {
					u += map[bool]float64{true: 1}[x > y] + map[bool]float64{true: 0.5}[x == y]
				}
			}
		}
		return u
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		level := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(0, 5).Draw(t, "level")) })
		values := rapid.SliceOfN(level, 2*n, 2*n).Draw(t, "values")
		observed := u(values, 1<<n-1)
		var all, atMost, atLeast float64
		for first := range uint(1) << (2 * n) {
			if bits.OnesCount(first) != n {
				continue
			}
			all++
			if x := u(values, first); x <= observed {
				atMost++
			} else if x > observed {
				atLeast++
			}
			if u(values, first) == observed {
				atLeast++
			}
		}
		want := min(1, 2*min(atMost, atLeast)/all)
		if got := stat.MannWhitney(values[:n], values[n:]); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%v and %v: p is %v, want %v", values[:n], values[n:], got, want)
		}
	})
}

func TestMannWhitneyOfNothing(t *testing.T) {
	if p := stat.MannWhitney(nil, []float64{1, 2}); p != 1 {
		t.Errorf("an empty set: p is %v, want 1", p)
	}
	given := []float64{3, 1, 2}
	stat.MannWhitney(given, given)
	if !slices.Equal(given, []float64{3, 1, 2}) {
		t.Errorf("MannWhitney changed its samples to %v", given)
	}
}

// differences are 1 to n, of which those that are negative add up to w.
func differences(n, w int) []float64 {
	all := make([]float64, n)
	for i := n; i > 0; i-- {
		all[i-1] = float64(i)
		if i <= w {
			all[i-1], w = -all[i-1], w-i
		}
	}
	return all
}

// The largest rank sum that differs at a level in both directions, from the
// tables that textbooks reprint (Siegel, 1956, table G, after Wilcoxon, 1949;
// McCornack, "Extended tables of the Wilcoxon matched pair signed rank
// statistic", 1965).
func TestSignedRankAgainstTable(t *testing.T) {
	for _, c := range []struct {
		level float64
		n, w  int
	}{
		{0.05, 6, 0}, {0.05, 7, 2}, {0.05, 8, 3}, {0.05, 9, 5}, {0.05, 10, 8}, {0.05, 11, 10}, {0.05, 12, 13},
		{0.05, 13, 17}, {0.05, 14, 21}, {0.05, 15, 25}, {0.05, 16, 29}, {0.05, 17, 34}, {0.05, 18, 40},
		{0.05, 19, 46}, {0.05, 20, 52}, {0.05, 25, 89},
		{0.01, 8, 0}, {0.01, 9, 1}, {0.01, 10, 3}, {0.01, 12, 7}, {0.01, 15, 15}, {0.01, 16, 19}, {0.01, 20, 37},
	} {
		at, above := stat.SignedRank(differences(c.n, c.w)), stat.SignedRank(differences(c.n, c.w+1))
		if at > c.level || above <= c.level {
			t.Errorf("%d differences: p is %.4f at %d and %.4f at %d; the table has them around %v",
				c.n, at, c.w, above, c.w+1, c.level)
		}
	}
}

// All ways to set the signs, counted.
func TestSignedRankWithTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-4, 4).Draw(t, "size")) })
		given := rapid.SliceOfN(size, 0, 9).Draw(t, "differences")
		sum := func(signs uint) (sum float64) {
			for i, d := range given {
				rank := 0.0
				for _, other := range given {
					if other != 0 && math.Abs(other) < math.Abs(d) {
						rank++
					} else if math.Abs(other) == math.Abs(d) {
						rank += 0.5
					}
				}
				if d != 0 && signs>>i&1 == 1 {
					sum += rank + 0.5
				}
			}
			return sum
		}
		var observed uint
		for i, d := range given {
			if d > 0 {
				observed |= 1 << i
			}
		}
		var atMost, atLeast, all float64
		for signs := range uint(1) << len(given) {
			all++
			if sum(signs) <= sum(observed) {
				atMost++
			}
			if sum(signs) >= sum(observed) {
				atLeast++
			}
		}
		want := min(1, 2*min(atMost, atLeast)/all)
		if got := stat.SignedRank(given); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%v: p is %v, want %v", given, got, want)
		}
	})
}

// Worked out by hand: 4 × 0.01, then 3 × 0.02 = 0.06, then 2 × 0.03 = 0.06 again,
// then 0.5.
func TestHolmByHand(t *testing.T) {
	got := stat.Holm([]float64{0.03, 0.01, 0.5, 0.02})
	for i, want := range []float64{0.06, 0.04, 0.5, 0.06} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("got %v; p-value %d should be %v", got, i, want)
		}
	}
}

func TestHolmProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		adjusted := stat.Holm(p)
		for i := range p {
			if adjusted[i] < p[i] || adjusted[i] > min(1, p[i]*float64(len(p))) {
				t.Fatalf("%v became %v, want at least as much, and at most %d times", p[i], adjusted[i], len(p))
			}
			for j := range p {
				if p[i] < p[j] && adjusted[i] > adjusted[j] {
					t.Fatalf("%v and %v became %v and %v, in another order", p[i], p[j], adjusted[i], adjusted[j])
				}
			}
		}
	})
}
