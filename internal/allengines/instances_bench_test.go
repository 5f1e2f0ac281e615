package allengines

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// BenchmarkInstances measures a request of eight callers at a time to a guest that computes for a
// millisecond or two: two instances should take half of the time of one, on two processors.
func BenchmarkInstances(b *testing.B) {
	code := tallies(b)[0]
	for _, e := range compilers {
		if e.name == wasmtime.Name && !wasmtime.Available {
			continue
		}
		engine, err := e.open("")
		check(b, err)
		h := startHost(b, host.Config{Logger: slog.New(slog.DiscardHandler)}, engine)
		d := host.Deployment{
			ID: id("t/a"), Engine: e.name, Source: core.Source{Code: code}, Limits: core.Limits{HandlerTime: time.Minute}, Spread: host.SpreadAny,
		}
		for _, d.Instances = range []int{1, 2} {
			if d.Instances == 1 {
				check(b, h.Deploy(within(b), d))
			} else {
				check(b, h.Update(within(b), d))
			}
			b.Run(fmt.Sprintf("%s/%d", e.name, d.Instances), func(b *testing.B) {
				b.SetParallelism(4) // times GOMAXPROCS
				b.RunParallel(func(next *testing.PB) {
					for next.Next() {
						if _, err := h.Request(b.Context(), d.ID, []byte("work")); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
		check(b, h.Stop(within(b)))
		check(b, engine.Close(within(b)))
	}
}
