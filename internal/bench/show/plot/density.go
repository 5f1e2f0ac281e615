package plot

import (
	"math"
	"slices"
)

// Density estimates the density of values at n places spread evenly over the scale,
// by a Gaussian kernel with the width of Silverman's rule. The largest density is 1.
// No values give zeros.
func Density(values []float64, over Scale, n int) []float64 {
	densities := make([]float64, n)
	width := bandwidth(values, over)
	if width <= 0 || n < 2 {
		return densities
	}
	for i := range densities {
		place := over.Low + (over.High-over.Low)*float64(i)/float64(n-1)
		for _, v := range values {
			distance := (place - v) / width
			densities[i] += math.Exp(-distance * distance / 2)
		}
	}
	if most := slices.Max(densities); most > 0 {
		for i := range densities {
			densities[i] /= most
		}
	}
	return densities
}

// bandwidth is Silverman's: 0.9 times the smaller of the standard deviation and the
// interquartile range over 1.34, times n to the power of -1/5. Equal values get a
// hundredth of the scale, so that they can be seen.
func bandwidth(values []float64, over Scale) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	var sum, squares float64
	for _, v := range sorted {
		sum += v
	}
	for _, v := range sorted {
		squares += (v - sum/n) * (v - sum/n)
	}
	spread := math.Sqrt(squares / max(1, n-1))
	if iqr := sorted[len(sorted)*3/4] - sorted[len(sorted)/4]; iqr > 0 {
		spread = min(spread, iqr/1.34)
	}
	return max(0.9*spread*math.Pow(n, -0.2), (over.High-over.Low)/100)
}
