package allengines

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// BenchmarkInstances is what one request of eight callers takes to a guest that computes for a
// millisecond or two: with two instances half as long, on two processors.
func BenchmarkInstances(b *testing.B) {
	code := tallies(b)[0]
	engines := map[string]func() (core.Engine, error){
		wazero.Name: func() (core.Engine, error) { return wazero.New(wazero.Config{}) },
	}
	if wasmtime.Available {
		engines[wasmtime.Name] = func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }
	}
	for name, open := range engines {
		engine, err := open()
		check(b, err)
		broker, err := newInproc()
		check(b, err)
		tracker, err := newSlab()
		check(b, err)
		h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker, engine)
		check(b, err)
		check(b, h.Start(b.Context()))
		d := host.Deployment{
			ID: id("t/a"), Engine: name, Source: core.Source{Code: code}, Limits: core.Limits{HandlerTime: time.Minute}, Spread: host.SpreadAny,
		}
		for _, d.Instances = range []int{1, 2} {
			if d.Instances == 1 {
				check(b, h.Deploy(within(b), d))
			} else {
				check(b, h.Update(within(b), d))
			}
			b.Run(fmt.Sprintf("%s/%d", name, d.Instances), func(b *testing.B) {
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
