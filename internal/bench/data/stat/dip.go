package stat

import (
	"math"
	"slices"
)

// Dip is Hartigan's dip statistic: the greatest distance of the samples' distribution
// from the nearest one with a single peak; 0 to 0.25 (Hartigan and Hartigan, "The dip
// test of unimodality", 1985). It is 0 for fewer than two different values.
func Dip(samples []float64) float64 {
	s := newSteps(samples)
	if len(s.at) < 2 {
		return 0
	}
	// The peak lies between low and high. Left of it the distribution should be convex
	// and right of it concave: bends in the other direction make the dip. At the peak
	// itself many samples may have the same value.
	low, high := 0, len(s.at)-1
	dip := 1.0
	for {
		convex, concave := s.minorant(low, high), s.majorant(low, high)
		gap, left, right := s.widest(convex, concave)
		if gap <= dip {
			break
		}
		for i := low; i < left; i++ {
			dip = max(dip, s.above[i]-s.on(convex, s.below, i))
		}
		for i := right + 1; i <= high; i++ {
			dip = max(dip, s.on(concave, s.above, i)-s.below[i])
		}
		if left == low && right == high {
			break
		}
		low, high = left, right
	}
	return dip / float64(2*len(samples))
}

// steps are the samples' distribution: at each value it rises from below, the
// number of smaller samples, to above.
type steps struct{ at, below, above []float64 }

func newSteps(samples []float64) steps {
	var s steps
	for i, value := range slices.Sorted(slices.Values(samples)) {
		if n := len(s.at); n > 0 && s.at[n-1] == value {
			s.above[n-1]++
			continue
		}
		s.at = append(s.at, value)
		s.below = append(s.below, float64(i))
		s.above = append(s.above, float64(i+1))
	}
	return s
}

// minorant returns the corners, as indices, of the greatest convex function
// that is nowhere above the distribution from low to high.
func (s steps) minorant(low, high int) []int { return s.hull(s.below, 1, low, high) }

// majorant is the least concave function that is nowhere below it.
func (s steps) majorant(low, high int) []int { return s.hull(s.above, -1, low, high) }

// hull keeps the points between which the slope rises, where bend is 1, or
// falls, where it is -1.
func (s steps) hull(y []float64, bend float64, low, high int) []int {
	var corners []int
	for i := low; i <= high; i++ {
		for len(corners) >= 2 {
			a, b := corners[len(corners)-2], corners[len(corners)-1]
			turn := (y[i]-y[b])*(s.at[b]-s.at[a]) - (y[b]-y[a])*(s.at[i]-s.at[b])
			if turn*bend > 0 {
				break
			}
			corners = corners[:len(corners)-1]
		}
		corners = append(corners, i)
	}
	return corners
}

// on is the value at index i of the function with these corners.
func (s steps) on(corners []int, y []float64, i int) float64 {
	next, found := slices.BinarySearch(corners, i)
	if found {
		return y[i]
	}
	a, b := corners[next-1], corners[next]
	return y[a] + (y[b]-y[a])*(s.at[i]-s.at[a])/(s.at[b]-s.at[a])
}

// widest returns the greatest distance between the two functions, which is at a
// corner, and the corner of each that encloses it: the first of the convex one,
// the second of the concave one.
func (s steps) widest(convex, concave []int) (gap float64, left, right int) {
	gap = math.Inf(-1)
	for _, i := range convex {
		if d := s.on(concave, s.above, i) - s.below[i]; d > gap {
			next, _ := slices.BinarySearch(concave, i)
			gap, left, right = d, i, concave[next]
		}
	}
	for _, i := range concave {
		if d := s.above[i] - s.on(convex, s.below, i); d > gap {
			next, found := slices.BinarySearch(convex, i)
			if !found {
				next--
			}
			gap, left, right = d, convex[next], i
		}
	}
	return gap, left, right
}
