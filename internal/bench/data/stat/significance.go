package stat

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// MannWhitney returns the probability that two independent sets of samples differ in
// their ranks as far as these do, in either direction, by chance alone (Mann and
// Whitney, "On a test of whether one of two random variables is stochastically larger
// than the other", 1947). It is exact for up to 50 samples each without ties, and for
// up to 25 with ties; for more samples it is the normal approximation, corrected for
// ties. Sets that are empty or hold one value only do not differ: 1. Neither set is
// changed.
func MannWhitney(a, b []float64) float64 {
	thresholds := &benchmath.DefaultThresholds
	first := benchmath.NewSample(slices.Clone(a), thresholds)
	second := benchmath.NewSample(slices.Clone(b), thresholds)
	// With ties, twice the smaller tail can be above 1.
	return min(1, benchmath.AssumeNothing.Compare(first, second).P)
}

// SignedRank returns the probability that differences within pairs are as one-sided
// as these, in either direction, by chance alone (Wilcoxon, "Individual comparisons
// by ranking methods", 1945). It is exact at any number, ties included. Differences
// of 0 are left out; without any others the result is 1.
func SignedRank(differences []float64) float64 {
	ranks, positive, total := signedRanks(differences)
	// chance[w] is the probability that the ranks of the positive ones add up to w, if
	// each sign is random.
	chance := make([]float64, total+1)
	chance[0] = 1
	for _, rank := range ranks {
		for w := total; w >= 0; w-- {
			chance[w] /= 2
			if w >= rank {
				chance[w] += chance[w-rank] / 2
			}
		}
	}
	var tail float64
	for _, p := range chance[:min(positive, total-positive)+1] {
		tail += p
	}
	return min(1, 2*tail)
}

// signedRanks returns twice the rank of each difference but 0 by its size, so
// that the ranks which ties share are whole, the sum of those that are positive,
// and the sum of all.
func signedRanks(differences []float64) (ranks []int, positive, total int) {
	sorted := slices.DeleteFunc(slices.Clone(differences), func(d float64) bool { return d == 0 })
	slices.SortFunc(sorted, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	for first := 0; first < len(sorted); {
		next := first + 1
		for next < len(sorted) && math.Abs(sorted[next]) == math.Abs(sorted[first]) {
			next++
		}
		shared := first + 1 + next
		for _, d := range sorted[first:next] {
			ranks = append(ranks, shared)
			total += shared
			if d > 0 {
				positive += shared
			}
		}
		first = next
	}
	return ranks, positive, total
}

// Holm returns p-values adjusted for their number, in their order. If every value
// below 0.05 is called a difference, at most one of twenty such sets has a false
// call, however the tests depend on each other (Holm, "A simple sequentially
// rejective multiple test procedure", 1979).
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted := make([]float64, len(p))
	var largest float64
	for rank, i := range order {
		largest = max(largest, min(1, p[i]*float64(len(p)-rank)))
		adjusted[i] = largest
	}
	return adjusted
}
