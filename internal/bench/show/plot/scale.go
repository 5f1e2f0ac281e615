package plot

import "math"

// Scale maps values to shares of a plot's width or height. Its zero value maps
// everything to 0.
type Scale struct {
	Low, High float64
	Log       bool // Low and High are above 0
	// Binary says that powers of two are round, as for bytes, and not those of ten.
	Binary bool
}

// At returns the position of v as a share from 0 (Low) to 1 (High). A value outside
// of the scale is at its end.
func (s Scale) At(v float64) float64 {
	low, high := s.Low, s.High
	if s.Log {
		if v <= 0 {
			return 0
		}
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	if high <= low {
		return 0
	}
	return min(1, max(0, (v-low)/(high-low)))
}

// Logarithmic returns a logarithmic scale that holds all positive values, from one
// of 1, 2 and 5 times a power of ten to another, or from a power of two to another.
func Logarithmic(binary bool, values ...float64) Scale {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	s := Scale{Low: low, High: high, Log: true, Binary: binary}
	s.Low = s.round(low, -1)
	s.High = s.round(max(high, 1.01*s.Low), 1)
	return s
}

// round returns the nearest round value that is not on the other side of v: below
// it for direction -1, above it for 1.
func (s Scale) round(v, direction float64) float64 {
	base, steps := 10.0, []float64{1, 2, 5, 10}
	if s.Binary {
		base, steps = 2, []float64{1, 2}
	}
	power := math.Pow(base, math.Floor(math.Log(v)/math.Log(base)+1e-9))
	found := power
	for _, step := range steps {
		if direction < 0 && step*power <= v*(1+1e-9) {
			found = step * power
		}
		if direction > 0 && step*power >= v*(1-1e-9) {
			return step * power
		}
	}
	return found
}

// Ticks returns round values on the scale, in rising order: at most most of
// them, and at least one where the scale is wide enough to hold one.
func (s Scale) Ticks(most int) []float64 {
	if most < 1 || s.High <= s.Low {
		return nil
	}
	if s.Log {
		return s.logTicks(most)
	}
	return s.linearTicks(most)
}

// linearTicks steps by the smallest of 1, 2, 2.5 and 5 times a power of ten, or
// power of two, that gives few enough ticks.
func (s Scale) linearTicks(most int) []float64 {
	base, steps := 10.0, []float64{1, 2, 2.5, 5}
	if s.Binary {
		base, steps = 2, []float64{1}
	}
	least := (s.High - s.Low) / float64(most)
	power := math.Pow(base, math.Floor(math.Log(least)/math.Log(base)))
	for {
		for _, step := range steps {
			if ticks := s.multiples(step * power); len(ticks) <= most {
				return ticks
			}
		}
		power *= base
	}
}

func (s Scale) multiples(step float64) []float64 {
	var ticks []float64
	last := math.Floor(s.High/step + 1e-9)
	for i := math.Ceil(s.Low/step - 1e-9); i <= last; i++ {
		ticks = append(ticks, i*step+0) // no -0
	}
	return ticks
}

// logTicks are 1, 2 and 5 times the powers of ten, or, where those are too many,
// every n-th power; of powers of two every n-th.
func (s Scale) logTicks(most int) []float64 {
	base := 2.0
	if !s.Binary {
		base = 10
		if ticks := s.powers(base, 1, 1, 2, 5); len(ticks) <= most {
			return ticks
		}
	}
	for every := 1.0; ; every++ {
		if ticks := s.powers(base, every, 1); len(ticks) <= most {
			return ticks
		}
	}
}

// powers are multiples of every n-th power of base.
func (s Scale) powers(base, every float64, steps ...float64) []float64 {
	var ticks []float64
	log := func(v float64) float64 { return math.Log(v) / math.Log(base) }
	first := math.Floor(log(s.Low) + 1e-9)
	for exponent := math.Ceil(first/every) * every; exponent <= log(s.High)+1e-9; exponent += every {
		for _, step := range steps {
			v := step * math.Pow(base, exponent)
			if v >= s.Low*(1-1e-9) && v <= s.High*(1+1e-9) {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}
