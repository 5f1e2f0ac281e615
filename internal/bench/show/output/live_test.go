package output_test

import (
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
)

func TestLive(t *testing.T) {
	samples := func(all ...float64) func() []float64 { return func() []float64 { return all } }
	cases := map[string]struct {
		p    result.Progress
		want string
	}{
		"warm-up":     {result.Progress{Name: "a"}, "warming up a"},
		"first round": {result.Progress{Name: "a", Round: 1, Rounds: 50, Samples: samples()}, "round 1 of 50  a"},
		"later": {result.Progress{Name: "b", Round: 3, Rounds: 50, Left: 90 * time.Second, Unit: cells.UnitNanoseconds, Samples: samples(250, 250)},
			"round 3 of 50, 1m30s left  250 ns ± 0 ns  b"},
		"too long": {result.Progress{Name: strings.Repeat("b", 100)}, "warming up " + strings.Repeat("b", 47) + "…"},
	}
	t.Setenv("COLUMNS", "60")
	for name, c := range cases {
		var silent, line strings.Builder
		output.NewLive(&silent, false).Show(c.p)
		live := output.NewLive(&line, true)
		live.Show(c.p)
		live.Show(c.p) // too soon after the first
		live.Clear()
		if silent.Len() > 0 {
			t.Errorf("%s: no terminal: wrote %q, want nothing", name, silent.String())
		}
		if got, want := line.String(), "\r\x1b[K"+c.want+"\r\x1b[K"; got != want {
			t.Errorf("%s: wrote %q, want %q: the line once, and then none", name, got, want)
		}
	}
}
