package stat

import (
	"fmt"
	"math"

	"golang.org/x/perf/benchmath"
)

const (
	// driftShare is how far the medians of the two halves of a sample set must
	// lie apart, as a share of the first half's, to be called a drift.
	driftShare = 0.03
	// driftLevel is how unlikely the difference must be by chance.
	driftLevel = 0.01
	// wideShare is the widest interval of a median, as a share of it, that goes
	// without a warning: as wide as the smallest change that is called one.
	wideShare = 0.05
)

// Drift returns by which share of its median the second half of samples differs
// from the first, and whether that is more than chance: by 3 % or more and with
// p < 0.01 in a Mann-Whitney test. Samples are in the order taken; fewer than 8
// never drift.
func Drift(samples []float64) (share float64, drifts bool) {
	if len(samples) < 8 {
		return 0, false
	}
	half := len(samples) / 2
	thresholds := &benchmath.Thresholds{CompareAlpha: driftLevel}
	first := benchmath.NewSample(append([]float64(nil), samples[:half]...), thresholds)
	second := benchmath.NewSample(append([]float64(nil), samples[half:]...), thresholds)
	before := benchmath.AssumeNothing.Summary(first, 0.95).Center
	after := benchmath.AssumeNothing.Summary(second, 0.95).Center
	if before == 0 {
		return 0, false
	}
	share = after/before - 1
	p := benchmath.AssumeNothing.Compare(first, second).P
	return share, p < driftLevel && math.Abs(share) >= driftShare
}

// Warnings returns what is to be known before samples are relied on, or nothing.
// s is their summary.
func Warnings(samples []float64, s Summary) []string {
	var warnings []string
	if len(samples) < MinSamples {
		warnings = append(warnings, fmt.Sprintf("too few samples: %d, want at least %d", len(samples), MinSamples))
	}
	if width := s.RelativeWidth(); width > wideShare {
		warnings = append(warnings, fmt.Sprintf("wide interval: %.1f %% of the median, want at most %.0f %%", 100*width, 100*wideShare))
	}
	if share, drifts := Drift(samples); drifts {
		warnings = append(warnings, fmt.Sprintf("drift: the second half of the samples is %+.1f %% off the first", 100*share))
	}
	return warnings
}
