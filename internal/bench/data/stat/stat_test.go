package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/stat"
)

// Worked out by hand: sorted 1 2 4 4 5 7 9 10 100, median 5; deviations from it
// 4 3 1 1 0 2 4 5 95, sorted 0 1 1 2 3 4 4 5 95, whose median is 3; lower half
// 1 2 4 4, median 3; upper half 7 9 10 100, median 9.5; interquartile range 6.5,
// fences -6.75 and 19.25, so that 100 alone is an outlier. Mean 142/9; the
// squares add up to 10292, so that the variance is (10292-142²/9)/8.
func TestSummaryByHand(t *testing.T) {
	samples := []float64{7, 1, 100, 4, 5, 9, 4, 2, 10}
	given := slices.Clone(samples)
	s, err := stat.Summarize(samples, 1)
	if err != nil {
		t.Fatal(err)
	}
	stddev := math.Sqrt((10292 - 142.0*142/9) / 8)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"median", s.Median, 5}, {"MAD", s.MAD, 3}, {"Q1", s.Q1, 3}, {"Q3", s.Q3, 9.5},
		{"mean", s.Mean, 142.0 / 9}, {"stddev", s.Stddev, stddev}, {"outliers", float64(s.Outliers), 1},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	if !slices.Equal(samples, given) {
		t.Errorf("Summarize changed its samples to %v", samples)
	}
}

func TestSummaryOfEvenCount(t *testing.T) {
	s, err := stat.Summarize([]float64{8, 2, 6, 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if s.Median != 5 || s.Q1 != 3 || s.Q3 != 7 || s.MAD != 2 {
		t.Errorf("got median %v, quartiles %v and %v, MAD %v; want 5, 3 and 7, 2", s.Median, s.Q1, s.Q3, s.MAD)
	}
}

func TestSummaryOfFew(t *testing.T) {
	if _, err := stat.Summarize(nil, 1); err != stat.ErrNoSamples {
		t.Errorf("no samples: got %v, want ErrNoSamples", err)
	}
	s, err := stat.Summarize([]float64{3}, 1)
	if want := (stat.Summary{Median: 3, Low: 3, High: 3, Mean: 3, Q1: 3, Q3: 3}); err != nil || s != want {
		t.Errorf("one sample: got %+v, %v; want %+v", s, err, want)
	}
}

// A 95 % interval of samples from a known distribution holds the true median in
// 95 % of all cases; at 31 samples, where the bootstrap can choose among few
// values, in 93 % (20,000 cases gave 18,637). Of 400 cases that is 373, with a
// standard deviation of 5.
func TestIntervalCoversKnownMedian(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	distributions := []struct {
		name   string
		median float64
		draw   func() float64
	}{
		{"normal", 0, random.NormFloat64},
		{"exponential", math.Ln2, random.ExpFloat64},
		{"uniform", 0.5, random.Float64},
	}
	for _, d := range distributions {
		covered := 0
		for seed := range uint64(400) {
			samples := make([]float64, 31)
			for i := range samples {
				samples[i] = d.draw()
			}
			low, high := stat.MedianInterval(samples, seed)
			if low <= d.median && d.median <= high {
				covered++
			}
		}
		if covered < 353 || covered > 392 {
			t.Errorf("%s: %d of 400 intervals hold the true median, want 353 to 392", d.name, covered)
		}
	}
}

// Two sets, of which the second has 1.2 times the first one's median: 20,000
// cases gave 19,300 intervals that hold it. Of 200 cases that is 193, with a
// standard deviation of 3.
func TestRatioIntervalCoversKnownRatio(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	covered := 0
	for seed := range uint64(200) {
		base, head := make([]float64, 40), make([]float64, 60)
		for i := range base {
			base[i] = math.Exp(0.1 * random.NormFloat64())
		}
		for i := range head {
			head[i] = 1.2 * math.Exp(0.2*random.NormFloat64())
		}
		if low, high := stat.RatioInterval(base, head, seed); low <= 1.2 && 1.2 <= high {
			covered++
		}
	}
	if covered < 184 || covered == 200 {
		t.Errorf("%d of 200 intervals hold the true ratio, want about 193", covered)
	}
}

// The median's standard error for n normal samples is sqrt(pi/2n).
func TestIntervalWidthOfNormal(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	samples := make([]float64, 2001)
	for i := range samples {
		samples[i] = 100 + random.NormFloat64()
	}
	low, high := stat.MedianInterval(samples, 1)
	want := 2 * 1.96 * math.Sqrt(math.Pi/2/2001)
	if width := high - low; width < 0.75*want || width > 1.25*want {
		t.Errorf("interval is %.4f wide, want about %.4f", width, want)
	}
}

func TestIntervalIsSeeded(t *testing.T) {
	samples := []float64{1, 5, 2, 8, 3, 9, 4, 4, 6, 7}
	low, high := stat.MedianInterval(samples, 42)
	low2, high2 := stat.MedianInterval(samples, 42)
	if low != low2 || high != high2 {
		t.Errorf("the same seed gave %v to %v, then %v to %v", low, high, low2, high2)
	}
	median, _ := stat.Summarize(samples, 42)
	if low > median.Median || median.Median > high {
		t.Errorf("median %v lies outside of its interval %v to %v", median.Median, low, high)
	}
}

func noisy(n int, at func(i int) float64) []float64 {
	random := rand.New(rand.NewPCG(5, 5))
	samples := make([]float64, n)
	for i := range samples {
		samples[i] = at(i) * (1 + 0.01*random.NormFloat64())
	}
	return samples
}

func TestDrift(t *testing.T) {
	cases := []struct {
		name    string
		samples []float64
		drifts  bool
	}{
		{"steady", noisy(40, func(int) float64 { return 250 }), false},
		{"slowing down", noisy(40, func(i int) float64 { return 250 + 2*float64(i) }), true},
		{"a step up", noisy(40, func(i int) float64 { return 250 + 25*float64(i/20) }), true},
		{"a step down", noisy(40, func(i int) float64 { return 250 - 25*float64(i/20) }), true},
		{"a step of one in a hundred", noisy(40, func(i int) float64 { return 250 + 2.5*float64(i/20) }), false},
		{"one spike", noisy(40, func(i int) float64 { return map[bool]float64{true: 900, false: 250}[i == 30] }), false},
		{"too few", []float64{1, 1, 1, 9, 9, 9}, false},
	}
	for _, c := range cases {
		if share, drifts := stat.Drift(c.samples); drifts != c.drifts {
			t.Errorf("%s: got drift %v (%+.1f %%), want %v", c.name, drifts, 100*share, c.drifts)
		}
	}
}

func TestDriftKeepsOrder(t *testing.T) {
	samples := []float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
	given := slices.Clone(samples)
	stat.Drift(samples)
	if !slices.Equal(samples, given) {
		t.Errorf("Drift changed its samples to %v", samples)
	}
}

func TestWarnings(t *testing.T) {
	count := func(samples []float64) int {
		s, err := stat.Summarize(samples, 1)
		if err != nil {
			t.Fatal(err)
		}
		return len(stat.Warnings(samples, s))
	}
	steady := noisy(40, func(int) float64 { return 250 })
	if n := count(steady); n != 0 {
		t.Errorf("steady samples: %d warnings, want none", n)
	}
	if n := count(steady[:29]); n != 1 {
		t.Errorf("29 samples: %d warnings, want one", n)
	}
	wide := noisy(40, func(i int) float64 { return 250 + 100*float64(i%2) })
	if n := count(wide); n != 2 {
		t.Errorf("samples at two levels: %d warnings, want two: wide, and bimodal", n)
	}
	if n := count(noisy(40, func(i int) float64 { return 250 + 10*float64(i) })); n != 2 {
		t.Errorf("samples that slow down: %d warnings, want two: wide, and drift", n)
	}
}
