package plot_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/airhost/airhost/internal/bench/show/plot"
	"github.com/airhost/airhost/internal/golden"
)

func TestAt(t *testing.T) {
	linear, logarithmic := plot.Scale{Low: 100, High: 300}, plot.Scale{Low: 1, High: 10_000, Log: true}
	for _, c := range []struct {
		scale   plot.Scale
		v, want float64
	}{
		{linear, 100, 0}, {linear, 150, 0.25}, {linear, 300, 1}, {linear, 50, 0}, {linear, 900, 1},
		{logarithmic, 1, 0}, {logarithmic, 100, 0.5}, {logarithmic, 1e9, 1}, {logarithmic, 0, 0}, {logarithmic, -1, 0},
		{plot.Scale{}, 7, 0},
	} {
		if got := c.scale.At(c.v); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v: %v is at %v, want %v", c.scale, c.v, got, c.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		scale plot.Scale
		most  int
		want  []float64
	}{
		{plot.Scale{Low: 0, High: 1.3}, 6, []float64{0, 0.25, 0.5, 0.75, 1, 1.25}},
		{plot.Scale{Low: 231, High: 304}, 4, []float64{240, 260, 280, 300}},
		{plot.Scale{Low: -0.1, High: 0.1}, 5, []float64{-0.1, -0.05, 0, 0.05, 0.1}},
		{plot.Scale{Low: 0, High: 5000, Binary: true}, 5, []float64{0, 1024, 2048, 3072, 4096}},
		{plot.Scale{Low: 1, High: 20, Log: true}, 5, []float64{1, 2, 5, 10, 20}},
		{plot.Scale{Low: 20, High: 5e6, Log: true}, 3, []float64{100, 1e4, 1e6}},
		{plot.Scale{Low: 1 << 16, High: 1 << 20, Log: true, Binary: true}, 5, []float64{1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20}},
		{plot.Scale{}, 5, nil},
		{plot.Scale{Low: 0, High: 1}, 0, nil},
	} {
		if diff := cmp.Diff(c.want, c.scale.Ticks(c.most), cmpopts.EquateApprox(1e-9, 1e-9)); diff != "" {
			t.Errorf("%+v, at most %d (-want +got):\n%s", c.scale, c.most, diff)
		}
	}
}

// Of any scale: not too many ticks, in order, and on it.
func TestTicksOfAnyScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(1e-3, 1e9).Draw(t, "low")
		s := plot.Scale{
			Low: low, High: low * rapid.Float64Range(1.001, 1e6).Draw(t, "times"),
			Log: rapid.Bool().Draw(t, "log"), Binary: rapid.Bool().Draw(t, "binary"),
		}
		most := rapid.IntRange(1, 12).Draw(t, "most")
		ticks := s.Ticks(most)
		if len(ticks) > most {
			t.Errorf("%+v: %d ticks, want at most %d", s, len(ticks), most)
		}
		for i, tick := range ticks {
			if tick < s.Low*(1-1e-6) || tick > s.High*(1+1e-6) || i > 0 && tick <= ticks[i-1] {
				t.Errorf("%+v: ticks %v", s, ticks)
			}
		}
	})
}

func TestLogarithmic(t *testing.T) {
	for _, c := range []struct {
		binary    bool
		values    []float64
		low, high float64
	}{
		{false, []float64{31, 207_000}, 20, 500_000}, {false, []float64{100}, 100, 200}, {false, []float64{0, -5}, 1, 10},
		{false, []float64{5, 50}, 5, 50}, {true, []float64{100_000, 300_000}, 1 << 16, 1 << 19}, {true, []float64{1024}, 1024, 2048},
	} {
		s := plot.Logarithmic(c.binary, c.values...)
		if math.Abs(s.Low-c.low) > 1e-6*c.low || math.Abs(s.High-c.high) > 1e-6*c.high || !s.Log {
			t.Errorf("binary %t, %v: got %+v, want %v to %v", c.binary, c.values, s, c.low, c.high)
		}
	}
}

// A normal density is 0.607 of its peak at one standard deviation. A kernel of
// finite width makes it a little wider.
func TestDensityOfNormal(t *testing.T) {
	var values []float64
	for i := range 2000 {
		values = append(values, math.Sqrt2*math.Erfinv(2*(float64(i)+0.5)/2000-1))
	}
	densities := plot.Density(values, plot.Scale{Low: -4, High: 4}, 81)
	if peak := densities[40]; peak < 0.99 || densities[30] < 0.58 || densities[30] > 0.66 || densities[0] > 0.01 {
		t.Errorf("density is %.3f in the middle, %.3f one standard deviation off, %.3f at the edge", peak, densities[30], densities[0])
	}
}

func TestDensityOfFew(t *testing.T) {
	over := plot.Scale{Low: 0, High: 10}
	if got := plot.Density(nil, over, 3); !cmp.Equal(got, []float64{0, 0, 0}) {
		t.Errorf("no values: got %v, want zeros", got)
	}
	if got := plot.Density([]float64{5, 5}, over, 11); got[5] != 1 || got[0] > 1e-9 {
		t.Errorf("one value twice: got %v, want a peak at it", got)
	}
}

func TestGolden(t *testing.T) {
	p := plot.New("demo", 60, "A <title>", "A & b")
	p.Rect("r", plot.Point{X: 0.1, Y: 5}, plot.Point{X: 0.9, Y: 20})
	p.Line("l", plot.Point{X: 0, Y: 0}, plot.Point{X: 1, Y: 60})
	p.Label("left", plot.Point{X: 0.02, Y: 50}, "0 < 1")
	p.Label("middle", plot.Point{X: 0.5, Y: 50}, "middle")
	p.Label("right", plot.Point{X: 1, Y: 50}, "right")
	p.Text("t", plot.End, plot.Point{X: 0.3, Y: 40}, -8, "text")
	points := []plot.Point{{X: 0, Y: 1}, {X: 1.0 / 3, Y: 2.25}, {X: 1, Y: -0.01}}
	p.Curve("c", points)
	p.Area("a", points)
	p.Dots("d", points)
	p.Curve("none", nil)
	for i := range plot.Marks + 1 {
		p.Mark("m", i, plot.Point{X: float64(i) / 10, Y: 30})
	}
	got := strings.ReplaceAll(string(p.SVG())+p.Inner(1, 2, 300)+string(plot.Swatch("s", 1)), "><", ">\n<") + "\n"
	golden.Check(t, "golden.svg.txt", got)
}
