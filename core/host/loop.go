package host

import "github.com/airhost/airhost/core"

// batch is how many messages a component handles before other components run.
const batch = 32

// runEntry asks a worker to run a component. An entry of the shared queue may be
// stale: its component may have been claimed since. An entry of a run-next slot
// brings one message (guestCalls.next), and whoever takes the entry owns the
// component.
type runEntry struct {
	component *component
	next      bool // it is of a run-next slot
}

// runEntries are a component's entries. The last one never waits: a watch slot holds
// it while the component runs.
type runEntries struct{ queued, next, running runEntry }

// run runs the component on worker w.
func (e *runEntry) run(w *worker) {
	c := e.component
	if e.next {
		c.runNext(w)
		return
	}
	c.mu.Lock()
	if c.sched.status != queued {
		c.mu.Unlock() // claimed or removed since it was queued
		return
	}
	c.sched.become(running)
	c.sched.worker = w
	c.workOffAndUnlock()
}

// runNext handles the message of the run-next slot, and then the mailbox. The sender
// of the message has begun the call; see acceptAndUnlock.
func (c *component) runNext(w *worker) {
	c.host.clock.Now() // wakes the clock if it rests, now that the watchdog can see the call
	if c.sched.worker != w {
		c.mu.Lock()
		c.sched.worker = w // another worker has taken the entry
		c.mu.Unlock()
	}
	e := c.guest.next
	c.guest.next = entry{}
	if c.budget != nil {
		c.noteBegin() // the time since the message was sent is the sender's
	}
	trap, owned := c.handleAndFollow(e)
	if !owned {
		return
	}
	c.lockAndEndCall(trap)
	c.workOffAndUnlock()
}

// handleAndFollow is handle with an exchange, or with the chain that follows. owned
// reports whether the worker still owns c.
func (c *component) handleAndFollow(e entry) (trap error, owned bool) {
	if e.outcome && !c.traits.Callback {
		c.dropOutcome(e.message)
		return nil, true
	}
	w := c.sched.worker
	if partner := c.takePartner(e); partner != nil {
		w.exchange.run(c, partner, e)
		return nil, false
	}
	trap = c.handle(e)
	if l := c.guest.ledger; l != nil && l.Open.Kind != core.TransferNone {
		if trap == nil && !w.chain.run(c) {
			return nil, false
		}
		c.sendOpen()
	}
	return trap, true
}

// workOffAndUnlock handles messages of the mailbox, at most a batch, and gives up c.
func (c *component) workOffAndUnlock() {
	if c.life.instance == nil {
		c.restartIfDueLocked()
	}
	for n := range batch {
		if c.life.instance == nil || c.life.leftBehind || c.pauses() || c.sched.wish != nil && c.stopsLocked(n) {
			break
		}
		if c.life.due != 0 && !c.doDutyLocked(n == 0) {
			continue
		}
		if c.post != nil {
			c.refillLocked(n == 0)
		}
		if c.sched.mailbox.length == 0 {
			break
		}
		if c.guest.batch != nil && c.call.fast && c.sched.mailbox.length > 1 {
			c.handleBatchLocked()
			break
		}
		e := c.sched.mailbox.pop()
		c.noteRoomLocked()
		c.beginCallAndUnlock()
		trap, owned := c.handleAndFollow(e)
		if !owned {
			return
		}
		c.lockAndEndCall(trap)
	}
	c.yieldAndUnlock(c.sched.worker)
}

// pauses reports whether c waits for running time.
func (c *component) pauses() bool { return c.budget != nil && c.budget.paused.Load() }

// noteRoomLocked notes that the mailbox takes any message again.
func (c *component) noteRoomLocked() {
	if !c.hasRoom.Load() && c.roomLocked() {
		c.hasRoom.Store(true)
	}
}

// beginCallAndUnlock marks a call of the instance, for the watchdog.
func (c *component) beginCallAndUnlock() {
	c.call.inProgress, c.call.fast, c.guest.backlog = true, true, c.sched.mailbox.length > 0
	c.call.begun++
	if c.budget != nil {
		c.noteBegin()
	}
	c.host.clock.Now() // wakes the clock if it rests: the watchdog must see the call
	c.mu.Unlock()
}

// lockAndEndCall marks the end of a call. trap is the error that ended the instance,
// or nil.
func (c *component) lockAndEndCall(trap error) {
	c.mu.Lock()
	if c.budget != nil {
		c.noteEndLocked()
	}
	c.call.inProgress = false
	if trap == nil && c.call.interrupted {
		// It was stopped too late to stop it: the instance is lost all the same.
		trap = &core.TrapError{Kind: core.TrapHandler, Text: "stopped at the end of its call"}
	}
	if trap != nil {
		c.instanceEndedLocked(trap)
	}
	c.publishLocked()
}

// publishLocked makes the owner's counts visible.
func (c *component) publishLocked() {
	if c.published.Refused != c.counts.Refused {
		c.published.refusals = c.counts.refusals
	}
	c.published.ComponentCounters, c.published.direct = c.counts.ComponentCounters, c.counts.direct
}

// yieldAndUnlock gives up ownership: to the goroutine that waits for c, to a worker if there
// is something to do, or to whoever delivers the next message. w is the worker that looks
// for work next, or nil.
func (c *component) yieldAndUnlock(w *worker) {
	c.sched.worker, c.sched.previous = nil, nil
	switch {
	case c.sched.wish != nil && c.picksLocked():
		c.grantAndUnlock()
		return
	case c.life.leftBehind:
		c.sched.become(claimed)
		c.mu.Unlock()
		c.host.removeLeftBehind(c)
		return
	case c.pauses() && c.crew == nil:
		c.sched.become(down)
		c.pauseAndUnlock()
		return
	case c.life.instance == nil && !c.life.supervisor.due:
		c.putDownAndUnlock(w)
		return
	case c.sched.mailbox.length > 0 || c.life.due != 0 || c.life.instance == nil || c.post != nil && !c.restsLocked():
		c.sched.become(queued)
		c.mu.Unlock()
		c.host.workers.pushLocal(&c.entries.queued, w)
		return
	default:
		c.sched.become(idle)
	}
	c.mu.Unlock()
}

// putDownAndUnlock gives up a component that has no instance: it has failed, or its members have
// the instances.
func (c *component) putDownAndUnlock(w *worker) {
	switch {
	case c.crew != nil:
		c.spreadAndUnlock()
	case c.forgetIfDueLocked():
		c.yieldAndUnlock(w) // something may have come meanwhile
	default:
		c.sched.become(down)
		c.pauseAndUnlock()
	}
}

// handle runs the guest on one message or outcome, and passes on its result. A message that
// the guest has sent by its credit may stay open. The caller owns c and has begun the
// call. It returns the error that ended the instance, or nil.
func (c *component) handle(e entry) (trap error) {
	if delay > 0 {
		spin(delay)
	}
	m := e.message
	if e.outcome {
		c.sender.pending--
	} else if m.IsRequest() && m.Mark != c.host.givenUp.Load() && c.host.isOver(m) { // mostly without a call of isOver
		c.drop(m)
		return nil
	}
	c.allowUnlessSlow()
	switch {
	case e.outcome:
		return c.calledBack(m, c.life.instance.HandleCallback(m.Correlation, m.Payload, m.Failure))
	case m.IsRequest():
		c.guest.response, c.guest.deadline = m.Payload[:0], m.Deadline
		err := c.life.instance.HandleMessage(m.Sender, m.Payload, &c.guest.response)
		m.Payload = c.takeResponse(m.Payload, err)
		c.sendOpen() // before the response
		return c.answered(m, err)
	}
	return c.received(m, c.life.instance.HandleMessage(m.Sender, m.Payload, nil))
}

// takeResponse returns the response, which began in the request's place. After an error
// it returns the request, for the dead letters; if a response has overwritten it, it
// returns nothing.
func (c *component) takeResponse(request []byte, err error) []byte {
	response := c.guest.response
	c.guest.response, c.guest.deadline = nil, 0
	if err != nil && len(response) == 0 {
		return request
	}
	if err != nil {
		return request[:0]
	}
	return response
}

// isOver reports whether m is a request of this host for whose outcome nobody waits
// any more. The tracker is asked only if requests have been given up since m was
// sent. A request of another host is given up by that host: clocks differ.
func (h *Host) isOver(m *core.Message) bool {
	return m.IsRequest() && m.Mark != h.givenUp.Load() && m.Origin == core.Origin(h) && !h.tracker.IsPending(m.Correlation)
}

// drop ends a request that is over before it is handled. The caller owns c.
func (c *component) drop(m *core.Message) {
	c.counts.Expired++
	c.sched.worker.release(m)
}

// dropOutcome ends the outcome of one of c's requests without a callback: c has failed, or
// an earlier version of c has sent the request and this one exports no handle-callback. The
// owner calls it.
func (c *component) dropOutcome(m *core.Message) {
	c.sender.pending--
	c.host.counts.orphans.Add(1)
	m.Release()
}

// calledBack ends a call of handle-callback that returned err.
func (c *component) calledBack(m *core.Message, err error) (trap error) {
	c.counts.Callbacks++
	c.sched.worker.release(m)
	_, trap = c.countError(err)
	return trap
}

// received ends a call of handle-message that returned err, for a fire-and-forget
// message.
func (c *component) received(m *core.Message, err error) (trap error) {
	answer, trap := c.countError(err)
	if trap != nil {
		c.lost(m, trap)
		return trap
	}
	if answer != nil {
		c.host.audit.ignored(m, answer)
	}
	c.counts.Handled++
	if m.Origin != nil {
		handled(m)
		return nil
	}
	c.sched.worker.release(m)
	return nil
}

// answered ends a call of handle-message that returned err, for a request. m holds
// the response, and becomes the request's outcome.
func (c *component) answered(m *core.Message, err error) (trap error) {
	answer, trap := c.countError(err)
	if trap != nil {
		c.host.recordDead(m, trap)
	} else {
		c.counts.Handled++
	}
	if err != nil {
		m.Fail(requestError(answer, trap))
	}
	if m.Origin == core.Origin(c.host) {
		c.host.respond(m, c.sched.worker)
	} else {
		m.Origin.Respond(m)
	}
	return trap
}

// countError counts a call's error and returns it as the guest's answer, or as the end
// of the instance. The texts of both are bounded.
func (c *component) countError(err error) (answer *core.ComponentError, trap error) {
	if err == nil {
		return nil, nil
	}
	c.counts.Errors++
	if answer = c.host.bounds.answerOf(err); answer != nil {
		return answer, nil
	}
	return nil, c.host.bounds.endingOf(err)
}
