package hostile_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/hostile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within returns a context that lasts long enough for any attack.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func arena(t *testing.T, engine hostile.Engine) *hostile.Arena {
	t.Helper()
	a, err := hostile.NewArena(within(t, 10*time.Second), engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(within(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
	})
	return a
}

// heap returns the size of Go's heap after all garbage has been collected.
func heap() int64 {
	runtime.GC() // objects in a sync.Pool survive one collection
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// heapSlack is the allowed growth of the heap by an attack, in bytes.
const heapSlack = 8 << 20

// checkHeap checks that the heap has shrunk to its size before. It waits for
// finalizers, which run on their own goroutine.
func checkHeap(t *testing.T, before int64) {
	after := heap()
	for begin := time.Now(); after > before+heapSlack && time.Since(begin) < 5*time.Second; after = heap() {
		runtime.Gosched()
	}
	if after > before+heapSlack {
		t.Errorf("the heap has grown from %d to %d KiB", before>>10, after>>10)
	}
}

// each runs a test on an arena of each engine.
func each(t *testing.T, test func(*testing.T, *hostile.Arena)) {
	for _, engine := range hostile.Engines() {
		t.Run(engine.Name, func(t *testing.T) { test(t, arena(t, engine)) })
	}
}

func TestAttacks(t *testing.T) {
	each(t, func(t *testing.T, a *hostile.Arena) {
		for _, attack := range hostile.Attacks() {
			t.Run(attack.Group+"/"+attack.Name, func(t *testing.T) {
				if attack.Slow && testing.Short() {
					t.Skip("takes seconds")
				}
				run(t, a, &attack)
			})
		}
	})
}

// TestAttacksInterpreted runs the attacks that depend on how an engine executes
// guests.
func TestAttacksInterpreted(t *testing.T) {
	a := arena(t, hostile.Interpreter())
	for _, attack := range hostile.Attacks() {
		if attack.Slow || attack.Reaches || attack.Group == "messages" || attack.Group == "log" {
			continue
		}
		t.Run(attack.Group+"/"+attack.Name, func(t *testing.T) { run(t, a, &attack) })
	}
}

func run(t *testing.T, a *hostile.Arena, attack *hostile.Attack) {
	before := heap()
	report, err := a.Run(within(t, 20*time.Second), attack)
	if err != nil {
		t.Error(err)
	}
	t.Logf("after %v: %v; %d answers of the neighbour, peak %d MiB", report.Stopped, report.Error, len(report.Latencies), report.Memory>>20)
	report.Latencies = nil
	checkHeap(t, before)
}
