package measure_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

type waiter struct{ name string }

func (*waiter) Expired(core.RequestID, *core.RequestError) {}

// BenchmarkPending measures the registration and resolution of one request while
// others, each with its timer, are pending.
func BenchmarkPending(b *testing.B) {
	trackers := map[string]func() (core.Tracker, error){
		"slab":     func() (core.Tracker, error) { return slab.New(slab.Config{}) },
		"timermap": func() (core.Tracker, error) { return timermap.New(timermap.Config{}) },
	}
	for name, open := range trackers {
		for _, others := range []int{0, 10_000} {
			b.Run(fmt.Sprintf("tracker=%s/others=%d", name, others), func(b *testing.B) {
				tracker, err := open()
				if err != nil {
					b.Fatal(err)
				}
				defer tracker.Close()
				w := &waiter{"bench"}
				for range others {
					if _, err := tracker.Register(w, time.Hour); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					id, err := tracker.Register(w, 5*time.Second)
					if err != nil {
						b.Fatal(err)
					}
					tracker.Resolve(id)
				}
			})
		}
	}
}

var quiet = host.Config{Logger: slog.New(slog.DiscardHandler)}

// BenchmarkIdleComponents measures deployed components that do nothing: the time to
// deploy them and, as B/component, heap and stacks for each. Memory that the engine
// keeps outside of Go's heap is not in it.
func BenchmarkIdleComponents(b *testing.B) {
	engines := []struct {
		name   string
		module fx.Option
		source core.Source
		count  int
	}{
		{native.Name, airhostfx.Engine(native.New), native.Source(guests.NewPingPong), 10_000},
		{wazero.Name, airhostfx.Engine(wazero.New), core.Source{Code: guests.PingPong}, 1000},
	}
	for _, engine := range engines {
		b.Run("engine="+engine.name, func(b *testing.B) {
			for b.Loop() {
				var h *host.Host
				app := fx.New(fx.NopLogger, engine.module, airhostfx.Broker(inproc.New), airhostfx.Tracker(slab.New), airhostfx.Host, fx.Supply(quiet), fx.Populate(&h))
				if err := app.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				before := inUse()
				for i := range engine.count {
					id := core.MustComponentID(fmt.Sprintf("bench/idle-%d", i))
					if err := h.Deploy(b.Context(), host.Deployment{ID: id, Engine: engine.name, Source: engine.source}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(inUse()-before)/float64(engine.count), "B/component")
				if err := app.Stop(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// inUse is the size of live objects and stacks, in bytes.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // objects from pools live through one collection
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
