package metertest

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/meter"
)

// BenchmarkRun compares plain and instrumented code. It measures them by turns, and
// compares the best times, since other programs on the machine disturb some turns.
func BenchmarkRun(b *testing.B) {
	bin := read(b, "../testdata/compute.wasm")
	for _, c := range []struct {
		export string
		arg    uint64
	}{
		{"loop", 100_000}, {"hash", 65_536}, {"fib", 20}, {"primes", 3000}, {"calls", 30_000}, {"switch", 50_000},
	} {
		b.Run(c.export, func(b *testing.B) {
			var variants []func()
			for _, res := range instrumented(b, bin) {
				in := instantiate(b, wazero.NewRuntimeConfigCompiler, res, func() {})
				in.fuel, in.pool = true, math.MaxInt64/2
				f, stack := in.ExportedFunction(c.export), make([]uint64, 1)
				variants = append(variants, func() {
					stack[0] = c.arg
					if err := f.CallWithStack(context.Background(), stack); err != nil {
						b.Fatal(err)
					}
				})
			}
			compare(b, variants)
		})
	}
}

// instrumented returns bin plain and with each of the configs.
func instrumented(b *testing.B, bin []byte) []*meter.Result {
	variants := []*meter.Result{plain(bin)}
	for _, k := range configs {
		variants = append(variants, instrument(b, bin, k.cfg))
	}
	return variants
}

// compare measures the variants. The first is plain, the others are in the order of
// configs.
func compare(b *testing.B, variants []func()) {
	best := slices.Repeat([]float64{math.Inf(1)}, len(variants))
	for b.Loop() {
		for i, run := range variants {
			start := time.Now()
			run()
			best[i] = min(best[i], float64(time.Since(start)))
		}
	}
	b.ReportMetric(best[0], "plain-ns")
	for i, k := range configs {
		b.ReportMetric(best[i+1]/best[0], k.name+"/plain")
	}
}
