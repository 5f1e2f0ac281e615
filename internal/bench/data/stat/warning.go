package stat

import (
	"fmt"
	"math"
	"slices"

	"github.com/montanaflynn/stats"
)

const (
	// driftShare is the least distance between the medians of the two halves of a
	// sample set that is called a drift, as a share of the first half's.
	driftShare = 0.03
	// driftLevel is the probability by chance below which a difference is called a
	// drift.
	driftLevel = 0.01
	// wideShare is the widest interval of a median, as a share of it, that goes
	// without a warning: as wide as the smallest change that is called one.
	wideShare = 0.05
	// dipLevel is the largest dip, times the square root of the number of samples,
	// that a distribution with one peak has in 99 of 100 cases. It is the value for
	// many samples, which is above those for few (Hartigan and Hartigan, 1985,
	// table 1), of the worst such distribution: others have it in hardly any case.
	dipLevel = 0.62
)

// Drift returns the share by which the median of the second half of samples differs
// from the first, and whether that is more than chance: by 3 % or more and with p <
// 0.01 in a Mann-Whitney test. Samples are in the order taken; fewer than 8 never
// drift.
func Drift(samples []float64) (share float64, drifts bool) {
	if len(samples) < 8 {
		return 0, false
	}
	first, second := samples[:len(samples)/2], samples[len(samples)/2:]
	before, _ := stats.Median(first) // an error says that there are no samples
	after, _ := stats.Median(second)
	if before == 0 {
		return 0, false
	}
	share = after/before - 1
	return share, math.Abs(share) >= driftShare && MannWhitney(first, second) < driftLevel
}

// Bimodal reports whether samples lie around more than one level, by [Dip], and
// far enough apart to matter: nine of ten samples spread over more than the
// widest interval that goes without a warning.
func Bimodal(samples []float64) bool {
	if Dip(samples)*math.Sqrt(float64(len(samples))) <= dipLevel {
		return false
	}
	sorted := slices.Sorted(slices.Values(samples))
	cut := len(sorted) / 20
	low, middle, high := sorted[cut], sorted[len(sorted)/2], sorted[len(sorted)-1-cut]
	return high-low > wideShare*middle
}

// Warnings returns the reasons not to rely on the samples, or nothing. s is their
// summary.
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
	if Bimodal(samples) {
		warnings = append(warnings, "bimodal: the samples lie around more than one level, and the median may be at any of them")
	}
	return warnings
}
