package host

import (
	"cmp"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// ComponentCounters count the work of one component since it was deployed.
type ComponentCounters struct {
	Sent      uint64 // messages and requests that it tried to send, those of its publications too, and publications and timers that were refused
	Refused   uint64 // of these, refused
	Requests  uint64 // requests that were taken
	Canceled  uint64 // of these, canceled
	Handled   uint64 // messages that its handle-message returned from, error or not
	Expired   uint64 // dropped from its mailbox: requests that had timed out, been canceled, or lost their sender, and fired timers whose instance had ended
	Errors    uint64 // calls of handle-message and handle-callback that failed, traps included
	Callbacks uint64 // calls of its handle-callback
	Traps     uint64 // ends of its instance: traps, interruptions, breaches of the ABI
	Restarts  uint64 // instances that took another's place
	LogLines  uint64 // log lines that it wrote
	LogDrops  uint64 // of these, dropped for being too many
}

func (c *ComponentCounters) add(o *ComponentCounters) {
	c.Sent += o.Sent
	c.Refused += o.Refused
	c.Requests += o.Requests
	c.Canceled += o.Canceled
	c.Handled += o.Handled
	c.Expired += o.Expired
	c.Errors += o.Errors
	c.Callbacks += o.Callbacks
	c.Traps += o.Traps
	c.Restarts += o.Restarts
	c.LogLines += o.LogLines
	c.LogDrops += o.LogDrops
}

// raise makes each counter that of o, if that is higher.
func (c *ComponentCounters) raise(o *ComponentCounters) {
	c.Sent = max(c.Sent, o.Sent)
	c.Refused = max(c.Refused, o.Refused)
	c.Requests = max(c.Requests, o.Requests)
	c.Canceled = max(c.Canceled, o.Canceled)
	c.Handled = max(c.Handled, o.Handled)
	c.Expired = max(c.Expired, o.Expired)
	c.Errors = max(c.Errors, o.Errors)
	c.Callbacks = max(c.Callbacks, o.Callbacks)
	c.Traps = max(c.Traps, o.Traps)
	c.Restarts = max(c.Restarts, o.Restarts)
	c.LogLines = max(c.LogLines, o.LogLines)
	c.LogDrops = max(c.LogDrops, o.LogDrops)
}

// refusals counts refused messages by case.
type refusals [7]uint64

func (r *refusals) add(o *refusals) {
	for i := range r {
		r[i] += o[i]
	}
}

// counts are a component's counters. Its owner writes them.
type counts struct {
	ComponentCounters
	direct   uint64 // of Handled, calls that needed no mailbox: of a Go program, and of functions
	fired    uint64 // timers
	refusals refusals
	callCounts
}

// callCounts count calls of functions and of key-value stores, and requests to the web. They are written to a component's published counts once
// it is removed; until then they are in its calling.
type callCounts struct {
	calls       uint64
	failedCalls [4]uint64 // of these, without a result, by case

	keyValue       uint64    // calls of wasi:keyvalue
	failedKeyValue [3]uint64 // of these, with an error, by case

	files       uint64    // calls of files and directories
	failedFiles [3]uint64 // of these, with an error, by class

	http       uint64      // requests to the web
	failedHTTP *httpCounts // of these, with an error, or nil if there is none; never changed
}

// httpCounts count errors of requests to the web by their codes.
type httpCounts [core.NumHTTPErrorCodes]uint64

func (t *callCounts) add(o *callCounts) {
	t.calls += o.calls
	for i := range o.failedCalls {
		t.failedCalls[i] += o.failedCalls[i]
	}
	t.keyValue += o.keyValue
	for i := range o.failedKeyValue {
		t.failedKeyValue[i] += o.failedKeyValue[i]
	}
	t.files += o.files
	for i := range o.failedFiles {
		t.failedFiles[i] += o.failedFiles[i]
	}
	t.http += o.http
	t.failedHTTP = t.failedHTTP.plus(o.failedHTTP)
}

// plus returns the sum of both, each of which may be nil.
func (t *httpCounts) plus(o *httpCounts) *httpCounts {
	if t == nil || o == nil {
		return cmp.Or(t, o)
	}
	sum := *t
	for i := range o {
		sum[i] += o[i]
	}
	return &sum
}

func (t *counts) add(o *counts) {
	t.ComponentCounters.add(&o.ComponentCounters)
	t.refusals.add(&o.refusals)
	t.direct += o.direct
	t.fired += o.fired
	t.callCounts.add(&o.callCounts)
}

// hostCounts are the counters that belong to no component.
type hostCounts struct {
	sent, requests, canceled atomic.Uint64 // by Go programs, but for direct calls
	refused                  [7]atomic.Uint64
	deadLetters              atomic.Uint64
	expired                  atomic.Uint64 // requests to targets that are gone
	timeouts, late, orphans  atomic.Uint64
	heldUp, auditDropped     atomic.Uint64
}

// Snapshot counts the messages of a host since it was made, those of its Go program
// included. Every message ends exactly once: when nothing is under way,
//
//	Sent + Arrived = Handled + Expired + DeadLetters + the sum of Refused + Left
type Snapshot struct {
	Sent        uint64            // messages and requests that were tried to be sent, those of publications too, publications that were refused, and timers that fired or were refused
	Refused     map[string]uint64 // of these, refused, by the contract's error
	Handled     uint64            // messages that a handle-message returned from, error or not
	Expired     uint64            // requests and fired timers that were dropped before they were handled: nobody waited for them any more
	Fired       uint64            // of Sent, timers that fired
	Timers      int               // timers that run now
	DeadLetters uint64            // messages that were taken and could not be handled
	Waiting     int               // messages and outcomes in mailboxes now
	Left        uint64            // messages that a [core.Carrier] took away for good; 0 with other brokers
	Arrived     uint64            // messages that it brought, those that came back included

	Requests  uint64 // requests that were taken
	Pending   int    // of these, waiting for their outcome now
	Timeouts  uint64 // requests that ended by their timeout
	Canceled  uint64 // requests that were canceled
	Callbacks uint64 // calls of handle-callback
	Late      uint64 // outcomes dropped because their request had ended before
	Orphans   uint64 // outcomes dropped because the component that waited is gone

	Components    int    // deployed now
	Memory        int64  // bytes of the memories of their instances; see [ComponentStatus]
	Traps         uint64 // ends of instances
	Restarts      uint64 // instances that took another's place
	Errors        uint64 // calls of handle-message and handle-callback that failed, traps included
	WorkersHeldUp uint64 // workers that were replaced because one call held them up
	HeldUpNow     int    // of these, those with a call in progress that Config.HeldUpWorkers bounds
	AuditDropped  uint64 // audit records dropped rather than hold up a sender
	LogLines      uint64 // log lines of guests
	LogDrops      uint64 // of these, dropped for being too many

	Published uint64 // publications that were taken, with any number of subscribers

	Calls       uint64            // functions that components have called, those in progress included
	FailedCalls map[string]uint64 // of these, without a result, by the contract's error
	Waits       []Wait            // calls in progress of functions that components provide

	KeyValue       uint64            // calls of wasi:keyvalue by components
	FailedKeyValue map[string]uint64 // of these, with an error, by its name

	Files        uint64            // calls of files and directories by components
	FailedFiles  map[string]uint64 // of these, with an error, by its class: see [core.FileRefusal]
	HTTPRequests uint64            // requests of components to the web, those under way included
	FailedHTTP   map[string]uint64 // of these, without a response, by the error-code of wasi:http
}

// Snapshot returns the host's counters. None ever goes back, whatever changes. Those of a
// component in the middle of a call are as of the call's begin.
func (h *Host) Snapshot() Snapshot {
	sum := h.totals()
	s := Snapshot{
		Sent:  sum.Sent + sum.direct + sum.fired + h.counts.sent.Load(),
		Fired: sum.fired, Timers: sum.timers,
		Refused: make(map[string]uint64), Handled: sum.Handled, Expired: sum.Expired + h.counts.expired.Load(), DeadLetters: h.counts.deadLetters.Load(), Waiting: sum.waiting,
		Requests: sum.Requests + sum.direct + h.counts.requests.Load(), Pending: h.tracker.Pending(),
		Timeouts: h.counts.timeouts.Load(), Canceled: sum.Canceled + h.counts.canceled.Load(), Callbacks: sum.Callbacks,
		Late: h.counts.late.Load(), Orphans: h.counts.orphans.Load(),
		Components: sum.components, Traps: sum.Traps, Restarts: sum.Restarts,
		WorkersHeldUp: h.counts.heldUp.Load(), AuditDropped: h.counts.auditDropped.Load(),
		Errors: sum.Errors, LogLines: sum.LogLines, LogDrops: sum.LogDrops, Memory: h.memory(),
	}
	s.Left, s.Arrived = h.traffic()
	s.Published = sum.publications + h.topics.published.Load()
	s.Calls, s.FailedCalls, s.Waits = sum.calls, make(map[string]uint64), h.waits.list()
	for _, c := range core.CallErrorCases() {
		if n := sum.failedCalls[c]; n > 0 {
			s.FailedCalls[c.String()] = n
		}
	}
	s.KeyValue, s.FailedKeyValue = sum.keyValue, make(map[string]uint64)
	for _, c := range core.KeyValueErrorCases() {
		if n := sum.failedKeyValue[c]; n > 0 {
			s.FailedKeyValue[c.String()] = n
		}
	}
	s.Files, s.FailedFiles = sum.files, sum.failedFilesByClass()
	s.HTTPRequests, s.FailedHTTP = sum.http, make(map[string]uint64)
	for _, c := range core.HTTPErrorCodes() {
		if f := sum.failedHTTP; f != nil && f[c] > 0 {
			s.FailedHTTP[c.String()] = f[c]
		}
	}
	s.HeldUpNow = h.workers.blockedCalls()
	for _, c := range core.MessagingErrorCases() {
		if n := sum.refusals[c] + h.counts.refused[c].Load(); n > 0 {
			s.Refused[c.String()] = n
		}
	}
	return s
}

// totals are the published counts of all components, past and present.
type totals struct {
	counts
	publications uint64 // but for those of Go programs
	waiting      int    // entries in mailboxes
	timers       int    // that run
	components   int    // deployed
	busy         int    // of these, running or with something to do
}

func (h *Host) totals() totals {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := totals{counts: h.gone, publications: h.topics.gone, components: len(h.components)}
	for _, c := range h.components {
		t.add(c)
	}
	for c := range h.beside {
		t.add(c)
	}
	return t
}

func (t *totals) add(c *component) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.counts.add(&c.published)
	t.callCounts.add(c.callsLocked())
	t.publications += c.publicationsLocked()
	waiting := c.waitingLocked()
	t.waiting += waiting
	t.timers += len(c.timers.running)
	if waiting > 0 || c.sched.status == running || c.sched.status == queued || c.sched.status == claimed {
		t.busy++
	}
}
