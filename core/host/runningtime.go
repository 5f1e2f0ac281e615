package host

import (
	"maps"
	"slices"
	"time"
)

// limitsTime reports whether the budget, if there is one, bounds running time. The components
// then keep no ledger, so that the host makes each of their calls and sees how long it takes.
func (b *budget) limitsTime() bool { return b != nil && b.RunningTime > 0 }

// noteBegin notes when a call of a component with a budget begins. The owner calls it.
func (c *component) noteBegin() {
	if c.budget.RunningTime > 0 {
		c.call.began = c.host.clock.Exact()
	}
}

// noteEndLocked takes the time of a call that ends from the budget.
func (c *component) noteEndLocked() {
	if c.budget.RunningTime > 0 && c.call.inProgress {
		c.budget.spend(c.host.clock.Exact() - c.call.began)
	}
}

// spend takes the time of a call. If there is none left, the components of the namespace pause.
func (b *budget) spend(took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ran += took
	b.time.fill(b.host.clock.Exact())
	b.time.tokens -= took.Seconds()
	if b.time.tokens >= 0 || b.paused.Load() || isClosed(b.over) {
		return
	}
	b.paused.Store(true)
	b.pauses++
	if b.pauses == 1 {
		b.pausing.Go(b.warn)
	}
	b.pausing.Go(b.pause)
}

// warn logs the first pause. The others are counted.
func (b *budget) warn() {
	b.host.log.Warn("a namespace has used up its running time, its components wait now and then",
		"namespace", b.namespace, "running_time", b.RunningTime, "hint", "raise budgets."+b.namespace+".running_time, or see which component runs long")
}

// pause lets no component of the namespace begin a call until there is running time again. A
// component that runs notices it at the end of its call.
func (b *budget) pause() {
	for _, c := range b.components() {
		c.pauseIfIdle()
	}
	for wait := b.untilOver(); wait > 0; wait = b.untilOver() {
		select {
		case <-time.After(wait):
		case <-b.over:
		}
	}
	for _, c := range b.components() {
		c.resume()
	}
}

// untilOver returns how long it takes until there is a hundredth of the time of a second. If
// there is, or the host stops, it ends the pause and returns 0. A call that ends at the same
// moment is counted before, or begins the next pause.
func (b *budget) untilOver() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time.fill(b.host.clock.Exact())
	lacks := b.time.perSecond/100 - b.time.tokens
	wait := time.Duration(lacks / b.time.perSecond * float64(time.Second))
	if wait > 0 && !isClosed(b.over) {
		return wait
	}
	b.paused.Store(false)
	return 0
}

// components returns all components of the namespace.
func (b *budget) components() (all []*component) {
	b.host.mu.Lock()
	defer b.host.mu.Unlock()
	known := slices.AppendSeq(slices.Collect(maps.Values(b.host.components)), maps.Keys(b.host.beside))
	return slices.DeleteFunc(known, func(c *component) bool { return c.budget != b })
}

func (c *component) pauseIfIdle() {
	c.mu.Lock()
	if c.sched.status == idle && c.pauses() {
		c.sched.become(down)
	}
	c.mu.Unlock()
}

// resume queues a component that has paused.
func (c *component) resume() {
	c.mu.Lock()
	wakes := c.sched.status == down && (c.life.instance != nil || c.life.supervisor.due)
	if wakes {
		c.sched.become(queued)
	}
	c.mu.Unlock()
	if wakes {
		c.host.workers.push(&c.entries.queued)
	}
}

// endPauses makes all components of a host that stops go on.
func (h *Host) endPauses() {
	for _, b := range h.budgets {
		b.mu.Lock()
		close(b.over)
		b.mu.Unlock()
		b.pausing.Wait()
	}
}
