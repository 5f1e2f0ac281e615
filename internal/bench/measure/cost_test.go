package measure_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/stat"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/harness"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
	"github.com/airhost/airhost/trackers/slab"
)

// BenchmarkRunnerCost measures the runner's own share of an operation: the start and
// the end of a sample. It measures samples of full and of half size in the same
// rounds. In half a sample each operation carries twice as much of the start and the
// end, so that the difference of the two is the share in a full one. It is shown as
// cost-%, of the smallest sample without --sample-ops, 1,000 operations, and of a
// usual one.
func BenchmarkRunnerCost(b *testing.B) {
	for _, pattern := range cells.Patterns() {
		for _, ops := range []int{1000, 20_000} {
			b.Run(fmt.Sprintf("pattern=%s/ops=%d", pattern, ops), func(b *testing.B) {
				code := guests.PingPong
				if pattern == cells.RequestResponse {
					code = guests.RoundTrip
				}
				key := cells.Key{Engine: "wazero", Broker: "inproc", Tracker: "slab", Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency}
				r, err := harness.New(b.Context(), key, harness.Parts{
					Modules:    fx.Options(airhostfx.Engine(wazero.New), airhostfx.Engine(native.New), airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New)),
					EngineName: wazero.Name, Guest: core.Source{Code: code}, Logger: slog.New(slog.DiscardHandler),
				})
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				full, half := sampling.Sized{Subject: r, Size: sampling.Size{Ops: ops}}, sampling.Sized{Subject: r, Size: sampling.Size{Ops: ops / 2}}
				for b.Loop() {
					series, err := sampling.Run(b.Context(), []sampling.Sized{full, half}, sampling.Options{Samples: 300, Warmup: 200 * time.Millisecond})
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(100*(median(b, series[1])/median(b, series[0])-1), "cost-%")
				}
			})
		}
	}
}

func median(b *testing.B, s sampling.Series) float64 {
	b.Helper()
	summary, err := stat.Summarize(s.Samples, 1)
	if err != nil {
		b.Fatal(err)
	}
	return summary.Median
}
