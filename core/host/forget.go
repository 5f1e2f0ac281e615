package host

// forgetIfFailed ends the requests of a member that failed before all others did, unless
// somebody has started it again. Its owner, if it has one, does so before it yields or starts c again.
func (c *component) forgetIfFailed() {
	c.mu.Lock()
	if c.sched.closed == nil {
		c.mu.Unlock()
		return
	}
	c.life.due |= dueForget
	if c.sched.status != down {
		c.mu.Unlock()
		return
	}
	c.sched.become(running) // so that others wait for it
	c.yieldAndUnlock(nil)
}

// forgetIfDueLocked ends the requests of c, if forgetIfFailed has said so. The owner calls it. It
// releases c.mu meanwhile.
func (c *component) forgetIfDueLocked() (did bool) {
	if c.life.due&dueForget == 0 {
		return false
	}
	c.life.due &^= dueForget
	c.mu.Unlock()
	c.forgetRequests()
	c.mu.Lock()
	return true
}

// forgetBeforeStart ends the requests of a member that has failed, and is about to start again,
// if all others have failed, also if the last one has not said so yet. The owner calls it.
func (c *component) forgetBeforeStart() {
	if c.post == nil {
		return
	}
	f := c.post.front
	f.mu.Lock()
	all := c.post.failed && len(f.heirsLocked(c)) == 0
	f.mu.Unlock()
	c.mu.Lock()
	if all {
		c.life.due |= dueForget
	}
	c.forgetIfDueLocked()
	c.mu.Unlock()
}
