//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import (
	"sync"
	"sync/atomic"
	"time"
)

// Periods of the ticker: while guests are called, and while none is. A call that
// outlasts the last tick that saw it begin is looked at more seldom; who
// interrupts it does not wait for a tick.
const (
	busyTick = time.Millisecond
	idleTick = 20 * time.Millisecond
)

// ticker calls tick from time to time, from its first use until it is stopped.
type ticker struct {
	tick func()
	busy atomic.Bool // a guest was called since the last tick

	mu   sync.Mutex // guards what follows
	quit chan struct{}
	done sync.WaitGroup
}

// used is called at each call of a guest.
func (t *ticker) used() {
	if !t.busy.Load() {
		t.busy.Store(true)
	}
}

func (t *ticker) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.quit == nil {
		t.quit = make(chan struct{})
		t.done.Go(t.run)
	}
}

func (t *ticker) run() {
	timer := time.NewTimer(busyTick)
	defer timer.Stop()
	for {
		select {
		case <-t.quit:
			return
		case <-timer.C:
		}
		t.tick()
		if t.busy.Swap(false) {
			timer.Reset(busyTick)
		} else {
			timer.Reset(idleTick)
		}
	}
}

// stop ends the ticker for good, and waits for its end.
func (t *ticker) stop() {
	t.mu.Lock()
	if t.quit == nil {
		t.quit = make(chan struct{})
	}
	select {
	case <-t.quit:
	default:
		close(t.quit)
	}
	t.mu.Unlock()
	t.done.Wait()
}
