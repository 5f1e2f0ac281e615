package timermap_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

type nobody struct{ _ [16]byte }

func (*nobody) Expired(core.RequestID, *core.RequestError) {}

// BenchmarkRegisterResolve is the benchmark of trackers/slab for this tracker.
func BenchmarkRegisterResolve(b *testing.B) {
	for _, n := range []int{1, 100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("pending=%d", n), func(b *testing.B) {
			t, _ := newTracker()
			defer t.Close()
			w := new(nobody)
			for range n - 1 {
				if _, err := t.Register(w, time.Minute); err != nil {
					b.Fatal(err)
				}
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
