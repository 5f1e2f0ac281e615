package host

import (
	"context"
	"fmt"
	"runtime"
)

// spareThreads is how many of the threads that the system allows are left to the
// rest of the program, and as many for each processor.
const spareThreads = 32

// mostBlocked is how many workers may be blocked: as many as configured, or as the
// system has threads for. Each of these calls may keep a thread: those of the workers,
// as many on the goroutines of Go programs that request, and a quarter of that on
// those that deploy.
func (h *Host) mostBlocked() int {
	left, known := h.threadsLeft()
	if !known {
		return h.config.HeldUpWorkers
	}
	most := max(1, (left-spareThreads-2*runtime.GOMAXPROCS(0)-h.config.Workers)*4/9)
	if most >= h.config.HeldUpWorkers {
		return h.config.HeldUpWorkers
	}
	h.log.Warn("fewer workers than configured may be held up by calls that take long", "held_up_workers", most,
		"configured", h.config.HeldUpWorkers, "reason", fmt.Sprintf("the system allows %d more threads", left))
	return most
}

// bound sets the ceilings, before anything runs.
func (h *Host) bound(blocked int) {
	h.workers.mostBlocked = blocked
	h.watch.direct = h.config.Workers + blocked
	h.places = make(places, max(1, blocked/4))
}

// blockedCalls returns how many workers are blocked now, of those that are bounded.
func (s *workers) blockedCalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blockedNow
}

// places bound how many guests start or shut down at the same time, on the goroutines
// that deploy and undeploy them. A guest that the engine cannot interrupt needs no
// place: it may deploy another one in its call, and would wait for itself.
type places chan struct{}

// enter waits for a place until ctx ends.
func (p places) enter(ctx context.Context, c *component) error {
	if !c.traits.Interruptible {
		return nil
	}
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d other guests are being started or ended: %w", cap(p), ctx.Err())
	}
}

// leave gives the place back.
func (p places) leave(c *component) {
	if c.traits.Interruptible {
		<-p
	}
}
