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
	n := c.sched.mailbox.length
	if a := c.life.arrival; a != nil {
		n += a.first.length
	}
	return n
}

// report returns the status of a deployed component, but for the memory. The host's lock is held.
func (c *component) report() ComponentStatus {
	c.mu.Lock()
	s := ComponentStatus{ID: c.id, Engine: c.deployment.Engine, Required: c.deployment.Required, Durable: c.deployment.Delivery == DeliveryDurable}
	failed := c.sched.closed == c.refusals.down
	members := c.membersLocked()
	last := c.addToLocked(&s, supervisor{})
	c.mu.Unlock()
	for _, m := range members {
		m.mu.Lock()
		last = m.addToLocked(&s, last)
		m.mu.Unlock()
	}
	if c.shown == nil {
		c.shown = new(shownCounts)
	}
	c.shown.raise(&s)
	switch {
	case failed:
		s.State, s.Health = "failed", core.HealthUnhealthy
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

// membersLocked returns the members of c's crew.
func (c *component) membersLocked() []*component {
	if c.crew == nil {
		return nil
	}
	return slices.Clone(c.crew.members)
}

// shownCounts are the highest counts that a status of a component has had. A member that leaves
// a crew is not in it any more when the front takes its counts over.
type shownCounts struct {
	counters                             ComponentCounters
	fired, calls, failedCalls, published uint64
	keyValue, failedKeyValue             uint64
	files, failedFiles                   uint64
	http, failedHTTP                     uint64
}

// raise raises the counts of s to those that have been shown, and notes them. The host's lock is
// held.
func (n *shownCounts) raise(s *ComponentStatus) {
	n.counters.raise(&s.Counters)
	n.fired, n.calls, n.failedCalls = max(n.fired, s.Fired), max(n.calls, s.Calls), max(n.failedCalls, s.FailedCalls)
	n.published = max(n.published, s.Published)
	n.keyValue, n.failedKeyValue = max(n.keyValue, s.KeyValue), max(n.failedKeyValue, s.FailedKeyValue)
	s.KeyValue, s.FailedKeyValue = n.keyValue, n.failedKeyValue
	n.files, n.failedFiles = max(n.files, s.Files), max(n.failedFiles, s.FailedFiles)
	s.Files, s.FailedFiles = n.files, n.failedFiles
	n.http, n.failedHTTP = max(n.http, s.HTTPRequests), max(n.failedHTTP, s.FailedHTTP)
	s.HTTPRequests, s.FailedHTTP = n.http, n.failedHTTP
	s.Counters, s.Fired, s.Calls, s.FailedCalls, s.Published = n.counters, n.fired, n.calls, n.failedCalls, n.published
}

// memory returns the memory of c's instances in bytes.
func (c *component) memory() (sum int64) {
	c.mu.Lock()
	members := c.membersLocked()
	c.mu.Unlock()
	for _, m := range members {
		sum += m.ownMemory()
	}
	return sum + c.ownMemory()
}

// ownMemory returns the memory of c's own instance in bytes, or 0 if its engine does not know. An
// owner that closes an instance has made life.instance nil before.
func (c *component) ownMemory() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
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
	s.Fired += c.published.fired
	for _, n := range []*callCounts{&c.published.callCounts, c.callsLocked()} {
		s.Calls += n.calls
		for _, failed := range n.failedCalls {
			s.FailedCalls += failed
		}
		s.KeyValue += n.keyValue
		for _, failed := range n.failedKeyValue {
			s.FailedKeyValue += failed
		}
		s.Files += n.files
		for _, failed := range n.failedFiles {
			s.FailedFiles += failed
		}
		s.HTTPRequests += n.http
		if n.failedHTTP != nil {
			for _, failed := range n.failedHTTP {
				s.FailedHTTP += failed
			}
		}
	}
	s.Published += c.publicationsLocked()
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
