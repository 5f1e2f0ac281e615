package output_test

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
)

func TestFigure(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, cells.UnitNanoseconds, "0 ns"}, {4.256, cells.UnitNanoseconds, "4.26 ns"}, {89.53, cells.UnitNanoseconds, "89.5 ns"},
		{259.37, cells.UnitNanoseconds, "259 ns"}, {9_999, cells.UnitNanoseconds, "9999 ns"}, {12_345, cells.UnitNanoseconds, "12.3 µs"},
		{8_200_000, cells.UnitNanoseconds, "8.20 ms"}, {3.2e9, cells.UnitNanoseconds, "3.20 s"}, {-4.5, cells.UnitNanoseconds, "-4.50 ns"},
		{950, cells.UnitPerSecond, "950 /s"}, {52_340, cells.UnitPerSecond, "52.3 k/s"}, {3.861e6, cells.UnitPerSecond, "3.86 M/s"},
		{64, cells.UnitBytes, "64.0 B"}, {2_048, cells.UnitBytes, "2.00 KiB"}, {5 << 20, cells.UnitBytes, "5.00 MiB"}, {3 << 30, cells.UnitBytes, "3.00 GiB"},
		{2.78, "× floor", "2.78 × floor"},
	} {
		if got := output.Figure(c.v, c.unit); got != c.want {
			t.Errorf("Figure(%v, %q) = %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

func TestOff(t *testing.T) {
	for median, want := range map[float64]string{259.37: "7.4 % below", 180: "36 % below", 305: "8.9 % above", 560: "100 % above"} {
		if got := output.Off(result.Goal{Median: median, Target: 280}); got != want {
			t.Errorf("%v of 280: got %q, want %q", median, got, want)
		}
	}
}

func TestInterval(t *testing.T) {
	for want, ends := range map[string][2]float64{
		"257–260 ns": {257, 260.4}, "9980 ns – 10.2 µs": {9_980, 10_200}, "-4.50 ns to 2.00 ns": {-4.5, 2}, "0 ns – 1.20 ms": {0, 1.2e6},
	} {
		if got := output.Interval(ends[0], ends[1], cells.UnitNanoseconds); got != want {
			t.Errorf("%v: got %q, want %q", ends, got, want)
		}
	}
}
