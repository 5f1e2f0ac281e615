package host

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// component is a deployed guest: its mailbox, its instance and its sending side.
type component struct {
	spec
	host    *Host
	budget  *budget // of its namespace, or nil
	entries runEntries
	changes changeLock
	crew    *crew // of the front of several instances, or nil; written by the owner with mu held
	post    *post // of a member of a crew, or nil; it stays

	hasRoom    atomic.Bool              // the mailbox is not crowded; read without mu for credits, written with it
	exchanging atomic.Pointer[exchange] // the exchange that its call in progress began
	chain      atomic.Pointer[chain]    // may call it at once, without a look into its mailbox; written with mu

	// The owner's; see status.
	sender sender
	guest  guestCalls
	counts counts

	mu        mutex[ofComponent] // guards the rest
	sched     schedule
	call      watchedCall
	life      lifecycle
	timers    ownTimers
	published counts // the owner's counts, as of the last message; fired is written here

	// The owner's again, apart from the fields that each message needs.
	reserved   int64 // memory of the budget
	serving    serving
	calling    *calling    // once it has called a function; written by the owner with mu held
	publishing *publishing // once it has published; written by the owner with mu held

	http atomic.Int64 // requests to the web under way, those of all members for a front

	shown *shownCounts // of its status, once it was asked for; written with the host's lock held
}

// spec is the part of a component that calls do not change. The id is fixed. A replacement
// or an update changes the rest: the owner writes it with mu held, and others read it with
// mu held.
type spec struct {
	id         core.ComponentID
	limits     core.Limits
	deployment Deployment
	compiled   *code
	traits     core.Traits
	refusals   refusalErrors
	slotHint   uint32        // where the search for a watch slot begins
	gone       chan struct{} // closed once the component is removed
	moving     *core.Moving  // what it brings from another host, until it has started; the owner's
}

// refusalErrors are made once, so that a refusal allocates nothing.
type refusalErrors struct {
	notFound, full, rate, down, tooLarge *core.MessagingError
	response                             *core.RequestError // tooLarge, for the response to a request of its own
}

func newRefusals(id core.ComponentID, limits core.Limits) refusalErrors {
	text := id.String()
	tooLarge := fmt.Sprintf("message: %s takes at most %d bytes", text, limits.MessageSize)
	return refusalErrors{
		notFound: &core.MessagingError{Case: core.CaseTargetNotFound, Text: text},
		full:     &core.MessagingError{Case: core.CaseQueueFull, Text: text},
		rate:     &core.MessagingError{Case: core.CaseQueueFull, Text: text + ": accept.messages_per_second"},
		down:     &core.MessagingError{Case: core.CaseUnavailable, Text: text + " has failed"},
		tooLarge: &core.MessagingError{Case: core.CaseInvalidArgument, Text: tooLarge},
		response: &core.RequestError{Reason: core.ReasonFailed, Text: tooLarge},
	}
}

// guestCalls is the owner's state for calls of the guest.
type guestCalls struct {
	services *services    // the host as the instances of c.compiled see it
	next     entry        // the message of the run-next slot
	batch    *batching    // of an instance that takes several messages at once, or nil
	ledger   *core.Ledger // of an engine that keeps one, or nil
	deadline int64        // of the request that it handles, in ns since the Unix epoch, or 0; see requestDeadline
	backlog  bool         // messages waited when the call in progress began
	response []byte
}

// schedule is a component's mailbox, and which worker runs it.
type schedule struct {
	status   status
	mailbox  mailbox
	accept   *bucket              // of Deployment.Accept, or nil
	closed   *core.MessagingError // why the mailbox takes nothing, or nil
	worker   *worker              // runs it, or nil
	previous *component           // see acceptAndUnlock
	wish     *wish                // of those who wait for the component, or nil
	mailTurn bool                 // the mailbox has its turn before calls of functions
}

// watchedCall is the call in progress, as the watchdog sees it.
type watchedCall struct {
	inProgress  bool
	interrupted bool          // the watchdog, or Stop, has interrupted it
	late        bool          // the watchdog has interrupted it, and had been late since the call began
	lost        int64         // watchdog.lost, when the watchdog saw the call first
	fast        bool          // the last call was short
	begun       uint64        // number of calls that have begun
	began       time.Duration // when the last one has, on the host's clock; for a budget of running time alone
	seen        atomic.Uint64 // number of the call that the watchdog saw last; read without mu by answerMany
	since       time.Duration // when the watchdog saw it first, on the host's clock
	allowed     time.Duration // the watchdog interrupts a call after this time
	ownSlot     *watchSlot    // for calls on the goroutines of Go programs, or nil
	lentSlot    *watchSlot    // in place of ownSlot during one such call, or nil

	// Of functions that the guest calls.
	inLine          bool             // it waits for an instance that provides a function
	starting        bool             // the call is part of a start
	function        bool             // one is in progress, unless the engine counts its guests' time
	entered         time.Duration    // when it began, on the host's clock
	away            time.Duration    // in functions, since the watchdog saw the call first
	functionContext *functionContext // of the last one, or nil
}

// lifecycle is the instance, and the state that decides about its end and its successor.
type lifecycle struct {
	instance    core.Instance // nil while there is none; written by the owner
	canExchange bool          // instance may take part in exchanges
	supervisor  supervisor
	due         duty // what c's worker does before it looks into the mailbox
	health      core.HealthStatus
	healthTimer *time.Timer
	dropped     int          // outcomes of its requests that came while it was closed, less those of others that it got
	startCut    bool         // the context of the deployment has ended: its start is interrupted
	leftBehind  bool         // Stop does not wait for it: its owner removes it
	successor   *component   // takes the outcomes of its requests, or nil; see replacement
	former      []*component // whose successor it is, with requests that are pending
	departure   *departure   // the way of its messages since it has moved, or nil
	arrival     *arrival     // while the messages follow that waited for it on another host
}

func newComponent(h *Host, d Deployment) *component {
	moving := d.Moving
	d.Moving = nil
	c := &component{
		spec: spec{
			id: d.ID, limits: d.Limits, deployment: d, gone: make(chan struct{}),
			refusals: newRefusals(d.ID, d.Limits), moving: moving,
		},
		changes: newChangeLock(),
		host:    h,
		budget:  h.budgets[d.ID.Namespace()],
		sender: sender{
			quota:       d.Quota.newBucket(h.clock),
			mostPending: d.Quota.PendingRequests,
		},
		sched: schedule{mailbox: newMailbox(d.Limits), accept: newAccept(d.Accept, h.clock)},
	}
	if moving != nil {
		c.timers.last = moving.LastTimer
	}
	c.sender.log = core.NewLogQuota(d.Limits.LogLines, d.Limits.LogBytes, c.logDropped)
	c.hasRoom.Store(c.sched.accept == nil && !c.sched.mailbox.crowded())
	c.entries = runEntries{queued: runEntry{component: c}, next: runEntry{component: c, next: true}, running: runEntry{component: c}}
	return c
}

// Deliver implements [core.Receiver] for brokers.
func (c *component) Deliver(m *core.Message) error { return c.deliver(m, nil, false) }

// deliver puts m into the mailbox. w is the worker that the caller runs on, or nil.
// A message that was sent by a credit has its place, even if other senders have
// filled the mailbox since. There is none to a component that accepts a limited rate.
func (c *component) deliver(m *core.Message, w *worker, byCredit bool) error {
	c.mu.Lock()
	if len(m.Payload) > c.limits.MessageSize {
		defer c.mu.Unlock()
		return c.refusals.tooLarge
	}
	if c.sched.closed != nil {
		return c.refuseAndUnlock(m, w, byCredit)
	}
	if c.sched.mailbox.crowded() && !byCredit && !c.sched.mailbox.admits(m) {
		c.mu.Unlock()
		return c.refusals.full
	}
	if !c.acceptsLocked(1) {
		c.mu.Unlock()
		return c.refusals.rate
	}
	c.acceptAndUnlock(entry{message: m}, w)
	return nil
}

// roomLocked reports whether c takes any message. To a front no message goes by credit.
func (c *component) roomLocked() bool {
	return c.crew == nil && c.sched.closed == nil && c.sched.accept == nil && !c.sched.mailbox.crowded()
}

// acceptsLocked takes n messages from the rate that c accepts, if it is limited.
func (c *component) acceptsLocked(n int) bool {
	return c.sched.accept == nil || c.sched.accept.take(float64(n))
}

// refundLocked gives n messages back to the rate that c accepts.
func (c *component) refundLocked(n int) {
	if c.sched.accept != nil {
		c.sched.accept.refund(float64(n))
	}
}

// outcome puts the outcome of one of c's requests into the mailbox. It is never
// refused for a full mailbox; it is dropped only if the component is gone.
func (c *component) outcome(m *core.Message, w *worker) {
	c.mu.Lock()
	if next := c.life.successor; next != nil {
		c.sender.pending--
		c.mu.Unlock()
		next.outcome(m, w)
		return
	}
	if m.Failure != nil || len(m.Payload) > c.limits.MessageSize {
		c.fitLocked(m)
	}
	if c.sched.closed != nil {
		c.passOnAndUnlock(m)
		return
	}
	c.acceptAndUnlock(entry{message: m, outcome: true}, w)
}

// fitLocked cuts an outcome to c's message size.
func (c *component) fitLocked(m *core.Message) {
	if len(m.Payload) > c.limits.MessageSize {
		m.Payload, m.Failure = nil, c.refusals.response
	}
	m.Failure = boundRequestError(m.Failure, failureRoom(m.Failure.Reason, c.limits.MessageSize))
}

// failureRoom returns the largest text of a failure for a component that takes
// messages of messageSize bytes. The reason's own word counts to the size.
func failureRoom(reason core.RequestErrorReason, messageSize int) int {
	return min(core.MaxErrorText, max(0, messageSize-len(reason.String())-len(": ")))
}

// Expired implements [core.Waiter].
func (c *component) Expired(id core.RequestID, reason *core.RequestError) {
	c.outcome(c.host.expired(id, reason), nil)
}

// acceptAndUnlock puts e into the mailbox and releases c.mu. If c is idle and the
// sender runs on worker w, c becomes w's at once and e goes to w's run-next slot: so
// the worker need not take c's lock again to begin. Until it begins, the watchdog
// charges its slot to previous, the component whose call sent e.
func (c *component) acceptAndUnlock(e entry, w *worker) {
	if c.sched.status == idle && w != nil {
		c.sched.become(running)
		c.sched.worker, c.sched.previous, c.guest.next = w, w.current, e
		c.beginCallAndUnlock()
		c.host.workers.setNext(&c.entries.next, w)
		return
	}
	c.sched.mailbox.push(e)
	if c.chain.Load() != nil {
		c.chain.Store(nil) // what a chain brings comes after e
	}
	if c.sched.mailbox.crowded() {
		c.hasRoom.Store(false)
	}
	c.wakeAndUnlock()
}

// wakeAndUnlock queues c if it is idle, or one of its crew, and releases c.mu.
func (c *component) wakeAndUnlock() {
	switch c.sched.status {
	case idle:
		c.sched.become(queued)
		c.mu.Unlock()
		c.host.workers.push(&c.entries.queued)
	case spread:
		c.wakeMemberAndUnlock()
	default:
		c.mu.Unlock()
	}
}
