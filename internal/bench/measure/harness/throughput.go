package harness

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// crowd does n operations of a throughput cell: many under way at once, for
// which Go may use as many processors as the cell has cores, for components and
// for everything else. As many workers as cores run components; calls run on the
// goroutines of their callers where the component is idle.
func (r *Rig) crowd(ctx context.Context, n int) (time.Duration, error) {
	defer r.confine()()
	if r.key.Pattern == result.Call {
		return r.callers(ctx, n)
	}
	return r.runs(ctx, n)
}

// confine holds Go to as many processors as the cell has cores, until undo is
// called.
func (r *Rig) confine() (undo func()) {
	before := runtime.GOMAXPROCS(r.key.Cores) // 0 changes nothing
	return func() { runtime.GOMAXPROCS(before) }
}

// callers makes n requests, divided among as many goroutines as can begin one.
func (r *Rig) callers(ctx context.Context, n int) (time.Duration, error) {
	request := guests.NewMessage(guests.OpEcho, 0, r.key.PayloadBytes)
	errs := make([]error, len(r.starts))
	var done sync.WaitGroup
	start := time.Now()
	for i, target := range r.starts {
		done.Go(func() { errs[i] = r.call(ctx, target, request, r.share(n, i)) })
	}
	done.Wait()
	return time.Since(start), errors.Join(errs...)
}
