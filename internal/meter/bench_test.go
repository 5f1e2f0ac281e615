package meter_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
)

// BenchmarkRun compares plain and instrumented code, in turns and by the best
// of all turns, since neighbours on the machine disturb some.
func BenchmarkRun(b *testing.B) {
	bin := read(b, "testdata/compute.wasm")
	for _, c := range []struct {
		export string
		arg    uint64
	}{
		{"loop", 100_000}, {"hash", 65_536}, {"fib", 20}, {"primes", 3000}, {"calls", 30_000}, {"switch", 50_000},
	} {
		b.Run(c.export, func(b *testing.B) {
			compare(b, bin, func(b *testing.B, res *meter.Result) func() {
				in := instantiate(b, wazero.NewRuntimeConfigCompiler, res, func() {})
				in.fuel, in.pool = true, math.MaxInt64/2
				f, stack := in.ExportedFunction(c.export), make([]uint64, 1)
				return func() {
					stack[0] = c.arg
					if err := f.CallWithStack(context.Background(), stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// compare measures what prepare returns for bin without and with metering.
func compare(b *testing.B, bin []byte, prepare func(*testing.B, *meter.Result) func()) {
	variants := []*meter.Result{plain(bin)}
	for _, k := range configs {
		variants = append(variants, instrument(b, bin, k.cfg))
	}
	var run []func()
	best := make([]float64, len(variants))
	for i, res := range variants {
		run, best[i] = append(run, prepare(b, res)), math.Inf(1)
	}
	for b.Loop() {
		for i := range run {
			start := time.Now()
			run[i]()
			best[i] = min(best[i], float64(time.Since(start)))
		}
	}
	b.ReportMetric(best[0], "plain-ns")
	for i, k := range configs {
		b.ReportMetric(best[i+1]/best[0], k.name+"/plain")
	}
}
