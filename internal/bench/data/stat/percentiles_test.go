package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/data/stat"
)

// windows draws n windows of values, below 1e9, to two digits.
func windows(t *testing.T, n, values int, draw func(window int) float64) []*hdrhistogram.Histogram {
	t.Helper()
	all := make([]*hdrhistogram.Histogram, n)
	for i := range all {
		all[i] = hdrhistogram.New(1, 1e9, 2)
		for range values {
			if err := all[i].RecordValue(int64(draw(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

func TestPercentilesAreThoseOfTheMergedWindows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	all := windows(t, 6, 200, func(int) float64 { return 1e4 * random.ExpFloat64() })
	merged := hdrhistogram.New(1, 1e9, 2)
	for _, window := range all {
		merged.Merge(window)
	}
	got := stat.Percentiles(all, 1)
	var percents []float64
	for _, p := range got {
		percents = append(percents, p.Percent)
		if want := float64(merged.ValueAtPercentile(p.Percent)); p.Value != want {
			t.Errorf("%v %%: got %v, want %v", p.Percent, p.Value, want)
		}
		if p.CI95Low > p.Value || p.Value > p.CI95High {
			t.Errorf("%+v lies outside of its interval", p)
		}
	}
	if diff := cmp.Diff([]float64{50, 90, 99, 99.9, 99.99, 100}, percents); diff != "" {
		t.Error(diff)
	}
	if last := got[len(got)-1]; last.Value != float64(merged.Max()) {
		t.Errorf("100 %% is %v, want the largest, %d", last.Value, merged.Max())
	}
	if diff := cmp.Diff(got, stat.Percentiles(all, 1)); diff != "" {
		t.Errorf("the same seed gives something else:\n%s", diff)
	}
}

// The 95 % interval of an exponential distribution's p90, which is ln 10 times its
// mean, holds it in about 95 % of all cases. It is as wide as its standard error of 3
// means/sqrt(n) implies.
func TestIntervalCoversKnownPercentile(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	const mean, cases, n = 1e6, 10, 10 * 50
	covered, width := 0, 0.0
	for seed := range uint64(cases) {
		all := windows(t, 10, n/10, func(int) float64 { return mean * random.ExpFloat64() })
		p90 := stat.Percentiles(all, seed)[1]
		if p90.CI95Low <= mean*math.Ln10 && mean*math.Ln10 <= p90.CI95High {
			covered++
		}
		width += (p90.CI95High - p90.CI95Low) / cases
	}
	if covered < 8 {
		t.Errorf("%d of %d intervals hold the true p90, want at least 8", covered, cases)
	}
	if want := 2 * 1.96 * 3 * mean / math.Sqrt(n); width < 0.75*want || width > 1.25*want {
		t.Errorf("intervals are %.0f wide, want about %.0f", width, want)
	}
}

// A stall in one window of 30 may as well have come in none or in two. Counted by
// operation, its 50 slow ones among 30,000 would be beyond doubt.
func TestIntervalIsOverWindows(t *testing.T) {
	left := 50
	all := windows(t, 30, 1000, func(window int) float64 {
		if window == 7 && left > 0 {
			left--
			return 5e8
		}
		return 1e3
	})
	p999 := stat.Percentiles(all, 1)[3]
	if p999.Value < 4.9e8 || p999.CI95Low > 1.1e3 || p999.CI95High < 4.9e8 {
		t.Errorf("got %+v, want about 5e8, and an interval down to 1e3", p999)
	}
}

func TestPercentilesOfLittle(t *testing.T) {
	if got := stat.Percentiles(nil, 1); got != nil {
		t.Errorf("no windows: got %v", got)
	}
	empty := windows(t, 2, 0, nil)
	if got := stat.Percentiles(empty, 1); got != nil {
		t.Errorf("windows without an operation: got %v", got)
	}
	one := windows(t, 1, 1, func(int) float64 { return 42 })
	want := result.Percentile{Percent: 99.99, Value: 42, CI95Low: 42, CI95High: 42}
	if got := stat.Percentiles(append(empty, one...), 1); got[4] != want {
		t.Errorf("one operation: got %+v, want %+v", got[4], want)
	}
}
