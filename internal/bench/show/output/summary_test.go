package output

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// The third by its median may be the fastest as well, where its interval is wide.
func TestFastestLine(t *testing.T) {
	cell := func(engine string, low, median, high float64) result.Cell {
		return result.Cell{
			Key:     cells.Key{Engine: engine, Broker: "b", Tracker: "t", Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Latency},
			Figures: &result.Figures{Unit: cells.UnitNanoseconds, Median: median, CI95Low: low, CI95High: high},
		}
	}
	a, b := cell("a", 90, 100, 110), cell("b", 190, 200, 220)
	for want, cells := range map[string][]result.Cell{
		"a/b/t is the fastest, 2.00 times as fast as b/b/t, the next (1.73 to 2.44)": {b, a},
		"a/b/t or c/b/t: no difference found":                                        {a, b, cell("c", 105, 250, 300)},
	} {
		if got := fastestLine(cells); !strings.HasSuffix(got, ": "+want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
