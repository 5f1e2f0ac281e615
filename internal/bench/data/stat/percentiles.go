package stat

import (
	"math/rand/v2"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/airhost/airhost/internal/bench/data/result"
)

// percents are the reported percentiles: 100 is the largest value.
var percents = [...]float64{50, 90, 99, 99.9, 99.99, 100}

// Percentiles returns the percentiles of all windows taken together, in the windows'
// unit: 50, 90, 99, 99.9, 99.99, and 100, which is the largest. The intervals are of
// 95 %, by the percentile bootstrap over whole windows: operations of one window are
// no independent observations, since a stall slows many of them. The interval of the
// largest can only reach down. The same seed gives the same intervals. Windows
// without any operation give nil.
func Percentiles(windows []*hdrhistogram.Histogram, seed uint64) []result.Percentile {
	counts := newTable(windows)
	once := slices.Repeat([]int64{1}, len(windows))
	values := counts.percentiles(once)
	if values == nil {
		return nil
	}
	drawn := counts.bootstrap(seed)
	all := make([]result.Percentile, len(percents))
	for i, percent := range percents {
		slices.Sort(drawn[i])
		all[i] = result.Percentile{
			Percent: percent, Value: values[i],
			CI95Low: drawn[i][len(drawn[i])*25/1000], CI95High: drawn[i][(len(drawn[i])*975-1)/1000],
		}
	}
	return all
}

// table holds how often each value is in each window: merging histograms for
// each of the bootstrap's draws would take minutes.
type table struct {
	values []int64   // ascending
	counts [][]count // by window
}

type count struct {
	value int // index of values
	times int64
}

func newTable(windows []*hdrhistogram.Histogram) table {
	t := table{counts: make([][]count, len(windows))}
	bars := make([][]hdrhistogram.Bar, len(windows))
	for i, window := range windows {
		bars[i] = slices.DeleteFunc(window.Distribution(), func(bar hdrhistogram.Bar) bool { return bar.Count == 0 })
		for _, bar := range bars[i] {
			t.values = append(t.values, bar.To)
		}
	}
	slices.Sort(t.values)
	t.values = slices.Compact(t.values)
	for i := range bars {
		for _, bar := range bars[i] {
			value, _ := slices.BinarySearch(t.values, bar.To)
			t.counts[i] = append(t.counts[i], count{value, bar.Count})
		}
	}
	return t
}

// bootstrap returns each percentile of many draws of windows, with replacement.
func (t table) bootstrap(seed uint64) [][]float64 {
	random := rand.New(rand.NewPCG(seed, uint64(len(t.counts))))
	drawn := make([][]float64, len(percents))
	weights := make([]int64, len(t.counts))
	for range resamples {
		clear(weights)
		for range weights {
			weights[random.IntN(len(weights))]++
		}
		for i, value := range t.percentiles(weights) {
			drawn[i] = append(drawn[i], value)
		}
	}
	return drawn
}

// percentiles returns the percentiles of the windows with these weights, or nil where
// the windows are empty.
func (t table) percentiles(weights []int64) []float64 {
	merged := make([]int64, len(t.values))
	var total int64
	for i, weight := range weights {
		for _, c := range t.counts[i] {
			merged[c.value] += weight * c.times
			total += weight * c.times
		}
	}
	if total == 0 {
		return nil
	}
	values := make([]float64, len(percents))
	value, below := 0, merged[0]
	for i, percent := range percents {
		for rank := rankOf(percent, total); below < rank; {
			value++
			below += merged[value]
		}
		values[i] = float64(t.values[value])
	}
	return values
}

// rankOf is the rank of the percentile among total values, from the smallest, as
// HdrHistogram defines it.
func rankOf(percent float64, total int64) int64 {
	return min(total, max(1, int64(percent/100*float64(total)+0.5)))
}
