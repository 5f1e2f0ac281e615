// Package stat summarizes sets of timing samples: their middle, its interval, their
// spread, and reasons not to trust them. It also tells whether two sets differ by
// more than chance. It never drops a sample.
package stat

import (
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/montanaflynn/stats"
)

// MinSamples is the least number of samples that a set needs to be trusted.
const MinSamples = 30

// resamples is the number of bootstrap samples behind an interval. With as many, its
// ends move by less than a tenth of its width from seed to seed.
const resamples = 2000

// ErrNoSamples is the error of a summary of nothing.
var ErrNoSamples = errors.New("no samples")

// Summary describes samples, in their unit.
type Summary struct {
	Median    float64
	Low, High float64 // 95 % interval of the median
	Mean      float64
	Stddev    float64 // of the sample (n-1); 0 for a single one
	MAD       float64 // median absolute deviation from the median
	Q1, Q3    float64 // medians of the halves, without the median itself
	Outliers  int     // samples beyond 1.5 interquartile ranges from the quartiles
}

// Summarize describes samples, which are not changed. The same seed gives the
// same interval. No samples are [ErrNoSamples].
func Summarize(samples []float64, seed uint64) (Summary, error) {
	if len(samples) == 0 {
		return Summary{}, ErrNoSamples
	}
	if len(samples) == 1 {
		only := samples[0]
		return Summary{Median: only, Low: only, High: only, Mean: only, Q1: only, Q3: only}, nil
	}
	var s Summary
	var errs [6]error
	var quartiles stats.Quartiles
	var outliers stats.Outliers
	s.Median, errs[0] = stats.Median(samples)
	s.Mean, errs[1] = stats.Mean(samples)
	s.Stddev, errs[2] = stats.StandardDeviationSample(samples)
	s.MAD, errs[3] = stats.MedianAbsoluteDeviation(samples)
	quartiles, errs[4] = stats.Quartile(samples)
	outliers, errs[5] = stats.QuartileOutliers(samples)
	s.Q1, s.Q3 = quartiles.Q1, quartiles.Q3
	s.Outliers = len(outliers.Mild) + len(outliers.Extreme)
	s.Low, s.High = MedianInterval(samples, seed)
	return s, errors.Join(errs[:]...)
}

// MedianInterval returns the 95 % interval of the median by the percentile
// bootstrap: the medians of many sets drawn from samples with replacement, less
// their lowest and highest 2.5 % (Efron, "Bootstrap methods: another look at
// the jackknife", 1979). samples must not be empty.
func MedianInterval(samples []float64, seed uint64) (low, high float64) {
	medians := drawMedians(samples, rand.New(rand.NewPCG(seed, uint64(len(samples)))))
	return middle95(medians)
}

// RatioInterval returns the 95 % interval of the median of head divided by the median
// of base, by the percentile bootstrap. The sets are independent of each other, and
// neither may be empty.
func RatioInterval(base, head []float64, seed uint64) (low, high float64) {
	random := rand.New(rand.NewPCG(seed, uint64(len(base)+len(head))))
	ratios := drawMedians(head, random)
	for i, median := range drawMedians(base, random) {
		ratios[i] /= median
	}
	return middle95(ratios)
}

// middle95 returns the ends of resamples values, which it sorts, without the lowest
// and highest 2.5 %.
func middle95(values []float64) (low, high float64) {
	slices.Sort(values)
	return values[resamples*25/1000], values[resamples*975/1000-1]
}

// drawMedians returns the medians of resamples sets, each drawn from samples
// with replacement.
func drawMedians(samples []float64, random *rand.Rand) []float64 {
	// Drawing ranks of sorted samples, and counting how often each was drawn,
	// finds the median of a draw without sorting it.
	sorted := slices.Sorted(slices.Values(samples))
	drawn := make([]int, len(sorted))
	medians := make([]float64, resamples)
	for i := range medians {
		clear(drawn)
		for range sorted {
			drawn[random.IntN(len(drawn))]++
		}
		medians[i] = medianOfDraw(sorted, drawn)
	}
	return medians
}

// medianOfDraw is the median of a draw of as many samples as sorted has, in which
// sorted[i] is drawn[i] times.
func medianOfDraw(sorted []float64, drawn []int) float64 {
	lower, upper := (len(sorted)-1)/2, len(sorted)/2
	var below int
	var sum float64
	for i, times := range drawn {
		if below <= lower && lower < below+times {
			sum += sorted[i]
		}
		below += times
		if upper < below {
			return (sum + sorted[i]) / 2
		}
	}
	return sum // not reached: the draws add up to more than upper
}

// RelativeWidth is the width of the interval as a share of the median.
func (s Summary) RelativeWidth() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / s.Median
}
