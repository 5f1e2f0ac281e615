package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/internal/bench/data/stat"
)

func TestDipByHand(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples []float64
		want    float64
	}{
		{"nothing", nil, 0},
		{"one value", []float64{3, 3, 3}, 0},
		{"evenly spaced: as small as it can be, 1/2n", []float64{4, 1, 3, 2}, 1.0 / 8},
		{"two values: as large as it can be", []float64{0, 0, 0, 1, 1, 1}, 0.25},
		{"two values, one of them twice as often", []float64{0, 0, 1}, 1.0 / 6},
	} {
		if got := stat.Dip(c.samples); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// How often the dip of samples from a uniform distribution is above the values
// that the table of Hartigan and Hartigan (1985), made finer in Maechler's R
// package diptest, has for 5 % and 1 % of cases. Of 2,000 cases these are 100
// and 20, with standard deviations of 10 and 4.
func TestDipAgainstTable(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	for _, c := range []struct {
		n                    int
		fivePercent, percent float64
	}{
		{10, 0.13961, 0.15968}, {30, 0.08817, 0.10148}, {50, 0.07027, 0.08120},
	} {
		var aboveFive, aboveOne int
		samples := make([]float64, c.n)
		for range 2000 {
			for i := range samples {
				samples[i] = random.Float64()
			}
			dip := stat.Dip(samples)
			if dip > c.fivePercent {
				aboveFive++
			}
			if dip > c.percent {
				aboveOne++
			}
		}
		if aboveFive < 70 || aboveFive > 130 || aboveOne < 7 || aboveOne > 33 {
			t.Errorf("%d samples: %d and %d of 2000 dips are above the table's, want about 100 and 20", c.n, aboveFive, aboveOne)
		}
	}
}

func TestDipProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64Range(-1000, 1000), 2, 60).Draw(t, "samples")
		given := slices.Clone(samples)
		dip := stat.Dip(samples)
		if dip < 0 || dip > 0.25 {
			t.Fatalf("the dip is %v, want 0 to 0.25", dip)
		}
		if !slices.Equal(samples, given) {
			t.Fatalf("Dip changed its samples to %v", samples)
		}
		// Powers of two keep the values exact.
		for i := range samples {
			samples[i] *= -4
		}
		if got := stat.Dip(samples); math.Abs(got-dip) > 1e-9 {
			t.Fatalf("mirrored and scaled, the dip is %v instead of %v", got, dip)
		}
	})
}

// Samples with one peak, however skewed, are hardly ever called bimodal, and
// those at two levels that lie apart always are.
func TestBimodal(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	wide := func(i int) float64 { return 100 + 10*random.NormFloat64() }
	for _, c := range []struct {
		name        string
		draw        func(i int) float64
		least, most int // of 500 cases
	}{
		{"normal", wide, 0, 5},
		{"uniform", func(int) float64 { return 100 + 50*random.Float64() }, 0, 12},
		{"exponential", func(int) float64 { return 100 + 10*random.ExpFloat64() }, 0, 5},
		{"log-normal", func(int) float64 { return 100 * math.Exp(0.3*random.NormFloat64()) }, 0, 5},
		{"normal with spikes", func(i int) float64 { return wide(i) + 200*float64(i%20/19) }, 0, 5},
		{"two levels", func(i int) float64 { return 100 + 10*float64(i%2) + random.NormFloat64() }, 500, 500},
		{"two levels, one of them a third", func(i int) float64 { return 100 + 20*float64(i%3/2) + random.NormFloat64() }, 500, 500},
		{"two levels that are close", func(i int) float64 { return 100 + float64(i%2) + random.NormFloat64()/10 }, 0, 0},
	} {
		called := 0
		for range 500 {
			samples := make([]float64, 60)
			for i := range samples {
				samples[i] = c.draw(i)
			}
			if stat.Bimodal(samples) {
				called++
			}
		}
		if called < c.least || called > c.most {
			t.Errorf("%s: %d of 500 sets are called bimodal, want %d to %d", c.name, called, c.least, c.most)
		}
	}
}
