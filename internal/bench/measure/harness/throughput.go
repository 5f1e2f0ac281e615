package harness

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// runMany does n operations with many messages in flight. Go may use as many
// processors as the cell has cores, for components and for everything else. As
// many workers as cores run components; a call runs on the goroutine of its caller
// where the component is idle.
func (h *Harness) runMany(ctx context.Context, n int) (time.Duration, error) {
	defer h.confine()()
	if h.key.Pattern == cells.Call {
		return h.callers(ctx, n)
	}
	return h.runs(ctx, n)
}

// confine limits Go to as many processors as the cell has cores, until undo is
// called.
func (h *Harness) confine() (undo func()) {
	before := runtime.GOMAXPROCS(h.key.Cores) // 0 changes nothing
	return func() { runtime.GOMAXPROCS(before) }
}

// callers makes n requests, divided among as many goroutines as can begin one.
func (h *Harness) callers(ctx context.Context, n int) (time.Duration, error) {
	request := guests.NewMessage(guests.OpEcho, 0, h.key.PayloadBytes)
	errs := make([]error, len(h.starts))
	var done sync.WaitGroup
	start := time.Now()
	for i, target := range h.starts {
		done.Go(func() { errs[i] = h.call(ctx, target, request, h.share(n, i)) })
	}
	done.Wait()
	return time.Since(start), errors.Join(errs...)
}
