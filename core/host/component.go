package host

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// status is what a component is doing. Only the one who moved it to running or
// claimed, its owner, may touch its instance and its sender.
type status uint8

const (
	idle    status = iota
	queued         // waiting for a worker
	running        // owned by a worker or by a Go program's request
	claimed        // owned by whoever deploys, stops or removes it
	down           // without an instance, until it is started again if it ever is
	removed        // undeployed
)

// batch is how many messages a component works off before others have a turn.
const batch = 32

// component is a deployed guest: its mailbox, its instance and its sender.
type component struct {
	id       core.ComponentID
	host     *Host
	limits   core.Limits
	plan     Deployment
	compiled core.Component
	traits   core.Traits
	refuse   refusalErrors
	serial   uint32        // picks a watch slot
	gone     chan struct{} // closed once it is removed

	waiting, handed turn // its places in queues
	running         turn // says in a watch slot that it runs

	taking   atomic.Bool           // any message would be taken now; written with mu held
	relaying atomic.Pointer[relay] // in which its call in progress is the first

	// What follows belongs to the owner.
	out      outbox
	inHand   entry        // what it was given to its worker with
	batch    *batching    // of its instance, if that takes several messages at once
	relayer  core.Relayer // its instance, if that takes turns with others; written with mu held
	backlog  bool         // there was more in its mailbox when its call began
	response []byte
	counts   tally
	log      *core.LogQuota

	mu          sync.Mutex // guards what follows; taken after Host.mu, before workers.mu
	status      status
	closed      *core.MessagingError // why the mailbox takes nothing, or nil
	mailbox     mailbox
	instance    core.Instance // written by the owner
	worker      *worker       // that runs it, or nil
	giver       *component    // what ran on the worker when it was given a message in hand
	kept        *watchSlot    // for calls on their callers' goroutines, or nil
	calling     bool          // a call of the instance is in progress
	allowed     time.Duration // after which time the watchdog interrupts a call
	calls       uint64        // how many have begun
	seen        uint64        // the last of them that the watchdog saw
	since       time.Duration // when it saw it first, on the host's clock
	overdue     bool          // the call was interrupted
	prompt      bool          // its last call was short
	healthDue   bool
	health      core.HealthStatus
	healthTimer *time.Timer
	claim       chan struct{} // closed once the component is its claimant's
	cut         bool          // its start is to end: its deployment's context has
	abandoned   bool          // its owner is the last, and removes it
	published   tally         // counts, as of the last message
	supervisor  supervisor
}

// refusalErrors are made once, so that refusing costs no allocation.
type refusalErrors struct {
	notFound, full, down, tooLarge *core.MessagingError
	response                       *core.RequestError // tooLarge, of the response to a request of its own
}

// Deliver implements [core.Receiver] for brokers.
func (c *component) Deliver(m *core.Message) error { return c.deliver(m, nil, false) }

// deliver puts m into the mailbox. w is the worker on whose goroutine it runs,
// if it does. What was granted has its place, even if others have filled the
// mailbox since.
func (c *component) deliver(m *core.Message, w *worker, granted bool) error {
	if len(m.Payload) > c.limits.MessageSize {
		return c.refuse.tooLarge
	}
	c.mu.Lock()
	if c.closed != nil {
		defer c.mu.Unlock()
		return c.closed
	}
	if c.mailbox.crowded() && !granted && !c.mailbox.admits(m) {
		c.mu.Unlock()
		return c.refuse.full
	}
	c.accept(entry{message: m}, w)
	return nil
}

// outcome puts the outcome of one of c's requests into the mailbox. It is never
// refused for a full mailbox; only where nobody is left to be told it is
// dropped.
func (c *component) outcome(m *core.Message, w *worker) {
	if m.Failure != nil || len(m.Payload) > c.limits.MessageSize {
		c.fit(m)
	}
	c.mu.Lock()
	if c.closed != nil {
		c.mu.Unlock()
		c.host.tally.orphans.Add(1)
		m.Release()
		return
	}
	c.accept(entry{message: m, outcome: true}, w)
}

// fit has an outcome fit c's message size, whoever made it.
func (c *component) fit(m *core.Message) {
	if len(m.Payload) > c.limits.MessageSize {
		m.Payload, m.Failure = nil, c.refuse.response
	}
	m.Failure = boundRequestError(m.Failure, failureRoom(m.Failure.Reason, c.limits.MessageSize))
}

// failureRoom is how long the text of a failure may be for a component that takes
// messages of a size, which its fixed word counts to.
func failureRoom(reason core.RequestErrorReason, messageSize int) int {
	return min(core.MaxErrorText, max(0, messageSize-len(reason.String())-len(": ")))
}

// Expired implements [core.Waiter].
func (c *component) Expired(id core.RequestID) {
	c.host.tally.timeouts.Add(1)
	c.host.givenUp.Add(1)
	m := core.NewMessage(nil)
	m.Correlation = id
	m.Fail(core.ErrTimeout)
	c.outcome(m, nil)
}

// accept puts e into the mailbox; it releases c.mu. An idle component on the
// sender's worker gets it in hand instead, and is the worker's from then on: it
// need not take the lock once more to begin.
func (c *component) accept(e entry, w *worker) {
	if c.status == idle && w != nil {
		c.status, c.worker, c.giver, c.inHand = running, w, w.current, e
		c.begin()
		c.host.workers.next(&c.handed, w)
		return
	}
	c.mailbox.push(e)
	if c.mailbox.crowded() {
		c.taking.Store(false)
	}
	c.wake()
}

// wake has an idle component run; it releases c.mu.
func (c *component) wake() {
	ready := c.status == idle
	if ready {
		c.status = queued
	}
	c.mu.Unlock()
	if ready {
		c.host.workers.push(&c.waiting)
	}
}

// turn is a component's place in a queue. One that waits may have been claimed
// since, and may have several turns. One with a message in hand has a single
// turn, and belongs to whoever takes it.
type turn struct {
	component *component
	inHand    bool
}

// run works off the mailbox, up to a batch.
func (t *turn) run(w *worker) {
	c := t.component
	if t.inHand {
		c = c.runInHand(w)
	} else {
		c.mu.Lock()
		if c.status != queued {
			c.mu.Unlock() // claimed or removed since it was queued
			return
		}
		c.status, c.worker = running, w
	}
	c.workOff()
}

// runInHand handles the message in hand, as far as whose call was the last: it
// returns that component, with its mu held. The call was begun by whoever sent the
// message.
func (c *component) runInHand(w *worker) *component {
	c.host.clock.Now() // has it tick, now that the watchdog can see the call
	if c.worker != w { // another one has taken the turn
		c.mu.Lock()
		c.worker = w
		c.mu.Unlock()
	}
	e := c.inHand
	c.inHand = entry{}
	c, trap := c.handle(e)
	c.end(trap)
	return c
}

// workOff works off the mailbox, up to a batch, with c.mu held; it releases it.
func (c *component) workOff() {
	if c.instance == nil && c.supervisor.due && c.claim == nil && !c.abandoned {
		c.restart()
	}
	for range batch {
		if c.instance == nil || c.claim != nil || c.abandoned {
			break
		}
		if c.healthDue {
			c.checkHealth()
			continue
		}
		if c.mailbox.length == 0 {
			break
		}
		if c.batch != nil && c.prompt && c.mailbox.length > 1 {
			c.workOffBatch()
			break
		}
		e := c.mailbox.pop()
		c.reopen()
		c.begin()
		var trap error
		c, trap = c.handle(e)
		c.end(trap)
	}
	c.yield()
}

// reopen notes that the mailbox takes any message again, with c.mu held.
func (c *component) reopen() {
	if !c.taking.Load() && c.closed == nil && !c.mailbox.crowded() {
		c.taking.Store(true)
	}
}

// begin marks a call of the instance; it releases c.mu.
func (c *component) begin() {
	c.calling, c.prompt, c.backlog = true, true, c.mailbox.length > 0
	c.calls++
	c.host.clock.Now() // has it tick
	c.mu.Unlock()
}

// end marks the end of a call, and takes c.mu again. trap is the error that
// ended the instance, or nil.
func (c *component) end(trap error) {
	c.mu.Lock()
	c.calling = false
	if trap == nil && c.overdue {
		// It was stopped too late to stop it: the instance is lost all the same.
		trap = &core.TrapError{Kind: core.TrapHandler, Text: "stopped at the end of its call"}
	}
	if trap != nil {
		c.ended(trap)
	}
	c.publish()
}

// publish makes the owner's counts visible, with c.mu held.
func (c *component) publish() {
	if c.published.Refused != c.counts.Refused {
		c.published.refusals = c.counts.refusals
	}
	c.published.ComponentCounters, c.published.direct = c.counts.ComponentCounters, c.counts.direct
}

// yield gives up ownership: to a claimant, to the next worker, or to whoever
// delivers the next message. It releases c.mu.
func (c *component) yield() {
	c.worker, c.giver = nil, nil
	switch {
	case c.claim != nil:
		c.status = claimed
		close(c.claim)
		c.claim = nil
	case c.abandoned:
		c.status = claimed
		c.mu.Unlock()
		c.host.removeAbandoned(c)
		return
	case c.instance == nil && !c.supervisor.due:
		c.status = down
	case c.mailbox.length > 0 || c.healthDue || c.instance == nil:
		c.status = queued
		c.mu.Unlock()
		c.host.workers.push(&c.waiting)
		return
	default:
		c.status = idle
	}
	c.mu.Unlock()
}

// handle runs the guest on one entry and passes on what comes of it. Whose call was
// the last is owned when it returns: c, or who has taken turns with it. It returns
// the error that ended that instance, if one did.
func (c *component) handle(e entry) (owned *component, trap error) {
	if delay > 0 {
		spin(delay)
	}
	m := e.message
	if e.outcome {
		c.out.pending--
	}
	if p := c.partner(e); p != nil {
		return c.worker.relay.take(c, e, p)
	}
	switch {
	case e.outcome:
		return c, c.finish(e, c.instance.HandleCallback(m.Correlation, m.Payload, m.Failure))
	case m.IsRequest():
		if m.Mark != c.host.givenUp.Load() && c.host.isOver(m) {
			c.drop(m)
			return c, nil
		}
		c.response = m.Payload[:0]
		err := c.instance.HandleMessage(m.Sender, m.Payload, &c.response)
		m.Payload, c.response = c.response, nil
		return c, c.answered(m, err)
	}
	return c, c.finish(e, c.instance.HandleMessage(m.Sender, m.Payload, nil))
}

// isOver reports whether m is a request of this host's for whose outcome nobody
// waits any more. The tracker is asked only where requests have been given up since
// m was sent. One that another host sent is that host's to give up: clocks differ.
func (h *Host) isOver(m *core.Message) bool {
	return m.IsRequest() && m.Mark != h.givenUp.Load() && m.Origin == core.Origin(h) && !h.tracker.IsPending(m.Correlation)
}

// drop ends a request that is over before it is handled; the owner calls it.
func (c *component) drop(m *core.Message) {
	c.counts.Expired++
	c.worker.release(m)
}

// finish ends a call that returned err, for what was no request.
func (c *component) finish(e entry, err error) error {
	if e.outcome {
		return c.calledBack(e.message, err)
	}
	return c.received(e.message, err)
}

// calledBack ends a call of handle-callback that returned err.
func (c *component) calledBack(m *core.Message, err error) error {
	c.counts.Callbacks++
	c.worker.release(m)
	_, trap := c.verdict(err)
	return trap
}

// received ends a call of handle-message that returned err, for a
// fire-and-forget message.
func (c *component) received(m *core.Message, err error) error {
	_, trap := c.verdict(err)
	if trap != nil {
		c.host.deadLetter(m, trap)
		return trap
	}
	c.counts.Handled++
	c.worker.release(m)
	return nil
}

// answered ends a call of handle-message that returned err, for a request. m
// holds the response, and becomes the request's outcome.
func (c *component) answered(m *core.Message, err error) error {
	answer, trap := c.verdict(err)
	if trap != nil {
		c.host.recordDead(m, trap)
	} else {
		c.counts.Handled++
	}
	if err != nil {
		m.Fail(requestError(answer, trap))
	}
	if m.Origin == core.Origin(c.host) {
		c.host.respond(m, c.worker)
	} else {
		m.Origin.Respond(m)
	}
	return trap
}

// verdict counts a call's error: it is the guest's answer, or has ended the
// instance. Neither holds a text that is too long.
func (c *component) verdict(err error) (answer *core.ComponentError, trap error) {
	if err == nil {
		return nil, nil
	}
	c.counts.Errors++
	if answer = answerOf(err); answer != nil {
		return answer, nil
	}
	return nil, endingOf(err)
}
