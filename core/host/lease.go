package host

// A component with several instances has one quota, which the front keeps. Members send by
// what the front has lent them, so that they seldom need its lock. What has been lent and was
// not used counts as part of the burst: all members together never send more than one
// instance could.
const (
	// mostLent is how many messages, and mostLentRequests how many pending requests, a member
	// is lent at once.
	mostLent         = 64
	mostLentRequests = 8
)

// borrow makes the front lend c more of its quota, in a call of c. It reports whether c is a
// member.
func (c *component) borrow() bool {
	if c.post == nil {
		return false
	}
	f := c.post.front
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lendLocked(c, 1)
	return true
}

// lendLocked lends the member m a part of the quota of c, if there is one. All members
// together get a quarter of the quota at most, or least messages and requests each.
func (c *component) lendLocked(m *component, least int) {
	c.settleLocked(m)
	q, quota, parts := &c.sender.quota, &c.deployment.Quota, 4*len(c.crew.members)
	n := q.takeUpTo(float64(min(mostLent, max(least, quota.Burst/parts))))
	q.lent += n
	m.post.lent, m.sender.quota.tokens = n, n

	requests := min(mostLentRequests, max(least, quota.PendingRequests/parts))
	requests = max(0, min(requests, quota.PendingRequests-c.crew.pending))
	m.sender.mostPending += requests
	c.crew.pending += requests
}

// returnLease gives the rest of c's lease back to its front, if it has one. The owner
// calls it.
func (c *component) returnLease() {
	if c.post == nil {
		return
	}
	f := c.post.front
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settleLocked(c)
}

// settleLocked takes back the part of c's quota that the member m was lent and did not use.
func (c *component) settleLocked(m *component) {
	if m.post.lent > 0 {
		c.sender.quota.fill(c.host.clock.Exact()) // while the lease still counts
	}
	c.sender.quota.refund(m.sender.quota.tokens)
	c.sender.quota.lent -= m.post.lent
	m.post.lent, m.sender.quota.tokens = 0, 0

	c.crew.pending += m.sender.pending - m.sender.mostPending
	m.sender.mostPending = m.sender.pending
}
