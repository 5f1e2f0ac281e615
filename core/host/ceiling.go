package host

import (
	"context"
	"fmt"
	"runtime"
)

// spareThreads is how many of the threads that the system allows are left to the
// rest of the program, and as many for each processor.
const spareThreads = 32

// heldUpWorkers is how many workers may be held up: as configured, or what the
// system has threads for. Each may be one, and so may each call on the goroutine of
// somebody who requests or deploys, of which there are as many and a quarter of it.
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

// heldUpCalls returns how many calls are held up now, of those that are bounded.
func (s *workers) blockedCalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blockedNow
}

// places bound how many guests start or shut down at the same time on the goroutines
// of those who deploy and undeploy them. What the engine cannot interrupt needs none:
// it may do the same within its call, and wait for itself.
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
