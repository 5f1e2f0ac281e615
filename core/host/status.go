package host

import (
	"cmp"
	"slices"

	"github.com/airhost/airhost/core"
)

// waitingLocked returns how many entries wait in c's mailbox, and for its members.
func (c *component) waitingLocked() int {
	if c.crew != nil {
		return int(c.sched.mailbox.waiting())
	}
	return c.sched.mailbox.length
}

// report returns the status of a deployed component.
func (c *component) report() ComponentStatus {
	c.mu.Lock()
	s := ComponentStatus{ID: c.id, Engine: c.deployment.Engine, Required: c.deployment.Required}
	failed := c.sched.closed == c.refusals.down
	var members []*component
	if c.crew != nil {
		members = slices.Clone(c.crew.members)
	}
	last := c.addToLocked(&s, supervisor{})
	c.mu.Unlock()
	for _, m := range members {
		m.mu.Lock()
		last = m.addToLocked(&s, last)
		m.mu.Unlock()
	}
	switch {
	case failed:
		s.State = "failed"
	case s.Instances > 0:
		s.State = "running"
	default:
		s.State = "restarting"
	}
	if last.reason != nil {
		s.LastError = last.reason.Error()
	}
	return s
}

// memoryLocked returns the memory of c's instance in bytes, or 0 if its engine does not know. The
// engine may not close the instance meanwhile: the owner takes it away first, with mu held.
func (c *component) memoryLocked() int64 {
	sizer, ok := c.life.instance.(core.Sizer)
	if !ok {
		return 0
	}
	resting := c.sched.status == idle || c.sched.status == queued || c.sched.status == down // nobody owns it
	return sizer.MemorySize(resting && !c.call.inProgress)
}

// addToLocked adds c to the status of its component. It returns the later one of the last
// end of its instance and another.
func (c *component) addToLocked(s *ComponentStatus, other supervisor) (last supervisor) {
	s.Waiting += c.waitingLocked()
	s.Timers += len(c.timers.running)
	s.Memory += c.memoryLocked()
	s.Fired += c.published.fired
	for _, n := range []*callCounts{&c.published.callCounts, c.callsLocked()} {
		s.Calls += n.calls
		for _, failed := range n.failedCalls {
			s.FailedCalls += failed
		}
	}
	s.Counters.add(&c.published.ComponentCounters)
	s.Health = max(s.Health, c.life.health)
	if c.life.instance != nil {
		s.Instances++
	}
	if mine := c.life.supervisor; mine.reason != nil && cmp.Compare(mine.ended, other.ended) >= 0 {
		return mine
	}
	return other
}
