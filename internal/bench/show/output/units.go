package output

import (
	"fmt"
	"math"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// Figure prints a figure of a result's unit, with about three digits: a time in
// ns, µs, ms or s, messages a second in thousands or millions, memory in B, KiB,
// MiB or GiB.
func Figure(v float64, unit string) string {
	scale, ok := scales[unit]
	if !ok {
		return digits(v) + " " + unit
	}
	for _, step := range scale {
		if math.Abs(v) >= step.from {
			return digits(v/step.size) + " " + step.name
		}
	}
	return digits(v) + " " + scale[len(scale)-1].name
}

// Interval prints the ends of an interval, with the unit once where both have the
// same.
func Interval(low, high float64, unit string) string {
	from, to := Figure(low, unit), Figure(high, unit)
	if low < 0 {
		return from + " to " + to // a dash would read as another sign
	}
	number, name, _ := strings.Cut(from, " ")
	if strings.HasSuffix(to, " "+name) {
		return number + "–" + to
	}
	return from + " – " + to
}

// step is a unit that figures are printed in, from a value on. Sizes are in the
// result's unit.
type step struct {
	from, size float64
	name       string
}

// Steps are in falling order. Nanoseconds go on to 10,000: most figures that are
// compared are below.
var scales = map[string][]step{
	cells.UnitNanoseconds: {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e4, 1e3, "µs"}, {0, 1, "ns"}},
	cells.UnitPerSecond:   {{1e6, 1e6, "M/s"}, {1e4, 1e3, "k/s"}, {0, 1, "/s"}},
	cells.UnitBytes:       {{1 << 30, 1 << 30, "GiB"}, {1 << 20, 1 << 20, "MiB"}, {1 << 10, 1 << 10, "KiB"}, {0, 1, "B"}},
}

func digits(v float64) string {
	switch size := math.Abs(v); {
	case size >= 99.95 || size == 0:
		return fmt.Sprintf("%.0f", v)
	case size >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
