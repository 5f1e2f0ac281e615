package slab_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/trackers/slab"
)

type nobody struct{ _ [16]byte }

func (*nobody) Expired(core.RequestID, *core.RequestError) {}

var populations = []int{1, 100, 10_000, 100_000}

func open(tb testing.TB) *slab.Tracker {
	tb.Helper()
	t, err := slab.New(slab.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { t.Close() })
	return t
}

func register(tb testing.TB, t core.Tracker, w core.Waiter) core.RequestID {
	id, err := t.Register(w, time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// BenchmarkRegisterResolve measures a request that is answered at once while others
// are pending.
func BenchmarkRegisterResolve(b *testing.B) {
	for _, n := range populations {
		b.Run(fmt.Sprintf("pending=%d", n), func(b *testing.B) {
			t, w := open(b), new(nobody)
			for range n - 1 {
				register(b, t, w)
			}
			b.ReportAllocs()
			for b.Loop() {
				id, _ := t.Register(w, time.Minute)
				if _, ok := t.Resolve(id); !ok {
					b.Fatal("lost a request")
				}
			}
		})
	}
}

// BenchmarkOldestFirst measures a request that is answered after all requests before
// it: by then its slot is in the wheel, and in no cache.
func BenchmarkOldestFirst(b *testing.B) {
	for _, n := range populations {
		b.Run(fmt.Sprintf("pending=%d", n), func(b *testing.B) {
			t, w := open(b), new(nobody)
			ring := make([]core.RequestID, n)
			for i := range ring {
				ring[i] = register(b, t, w)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i == n {
					i = 0
				}
				if _, ok := t.Resolve(ring[i]); !ok {
					b.Fatal("lost a request")
				}
				ring[i], _ = t.Register(w, time.Minute)
			}
		})
	}
}

// BenchmarkParallel is BenchmarkRegisterResolve on all cores, each with its own
// waiter.
func BenchmarkParallel(b *testing.B) {
	for _, n := range populations {
		b.Run(fmt.Sprintf("pending=%d", n), func(b *testing.B) {
			t := open(b)
			w := new(nobody)
			for range n - 1 {
				register(b, t, w)
			}
			var failed atomic.Bool
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w := new(nobody)
				for pb.Next() {
					id, _ := t.Register(w, time.Minute)
					if _, ok := t.Resolve(id); !ok {
						failed.Store(true)
					}
				}
			})
			if failed.Load() {
				b.Fatal("lost a request")
			}
		})
	}
}
