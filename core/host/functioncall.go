package host

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// calling is a component's side of the functions and the buckets that it calls. It belongs to the component's
// owner, but for the counts.
type calling struct {
	epoch  uint64 // of the host's configuration that the permissions are for
	last   *permission
	known  map[string]*permission
	ctx    *functionContext
	call   uint64        // number of the guest's call in which it has called a function last
	began  time.Duration // when that call began, on the host's clock, to a tick
	counts liveCounts
	buffer []byte // for results of components
}

// permission says whether a component may call the function of a name.
type permission struct {
	name     string
	function *function
	refusal  *core.CallError // why it may not call it, or nil
}

// liveCounts are callCounts that the component's owner writes, and others read.
type liveCounts struct {
	calls  atomic.Uint64
	failed [4]atomic.Uint64

	keyValue       atomic.Uint64
	failedKeyValue [3]atomic.Uint64

	files       atomic.Uint64
	failedFiles [3]atomic.Uint64

	http       atomic.Uint64
	failedHTTP [core.NumHTTPErrorCodes]atomic.Uint64
}

// callsLocked returns the counts of the functions that c has called.
func (c *component) callsLocked() *callCounts {
	var n callCounts
	if c.calling == nil {
		return &n
	}
	n.calls = c.calling.counts.calls.Load()
	for i := range n.failedCalls {
		n.failedCalls[i] = c.calling.counts.failed[i].Load()
	}
	n.keyValue = c.calling.counts.keyValue.Load()
	for i := range n.failedKeyValue {
		n.failedKeyValue[i] = c.calling.counts.failedKeyValue[i].Load()
	}
	n.files = c.calling.counts.files.Load()
	for i := range n.failedFiles {
		n.failedFiles[i] = c.calling.counts.failedFiles[i].Load()
	}
	if n.http = c.calling.counts.http.Load(); n.http > 0 {
		n.failedHTTP = new(httpCounts)
		for i := range n.failedHTTP {
			n.failedHTTP[i] = c.calling.counts.failedHTTP[i].Load()
		}
	}
	return &n
}

// settleCallsLocked makes the counts of the functions that c has called those of heir, which is
// c's sum or another component's.
func (c *component) settleCallsLocked(heir *counts) {
	heir.callCounts.add(c.callsLocked())
	c.calling = nil
}

// The refusals that are the same for all.
var (
	errCallSize  = unavailable("quota.message_size")
	errCallEnded = unavailable("the call was interrupted")
)

// CallFunction implements [core.Functions].
func (c *component) CallFunction(name, argument []byte) (result []byte, err error) {
	c.breakChain()
	if c.calling == nil {
		c.startCalling()
	}
	c.calling.counts.calls.Add(1)
	result, failure := c.callFunction(name, argument)
	if failure != nil {
		c.calling.counts.failed[failure.Case].Add(1)
		if failure.Case == core.CallDenied {
			c.host.audit.record(c.id, name, "call", failure)
		}
		return nil, failure
	}
	return result, nil
}

func (c *component) startCalling() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calling = new(calling)
}

func (c *component) callFunction(name, argument []byte) ([]byte, *core.CallError) {
	p := c.permissionFor(name)
	switch {
	case p.refusal != nil:
		return nil, p.refusal
	case len(argument) > c.limits.MessageSize:
		return nil, errCallSize
	case !p.function.enter():
		return nil, p.function.busy
	}
	return c.callEntered(p.function, argument)
}

// permissionFor returns c's permission for a name.
func (c *component) permissionFor(name []byte) *permission {
	a := c.calling
	if epoch := c.host.epoch.Load(); epoch != a.epoch {
		a.epoch, a.last, a.known = epoch, nil, nil
	}
	if p := a.last; p != nil && p.name == string(name) {
		return p
	}
	p := a.known[string(name)]
	if p == nil {
		p = c.newPermission(core.CutText(name, 2*core.MaxIDPart+1), string(name))
		if a.known == nil || len(a.known) >= maxRoutes {
			a.known = make(map[string]*permission)
		}
		if p.name == string(name) { // a longer name is no function's
			a.known[p.name] = p
		}
	}
	a.last = p
	return p
}

func (c *component) newPermission(shown, name string) *permission {
	p := &permission{name: shown}
	id, err := core.ParseComponentID(name)
	switch {
	case err != nil:
		p.refusal = &core.CallError{Case: core.CallNotFound, Text: core.CutText("the name of a function is like an id: "+err.Error(), core.MaxErrorText)}
	case id.Namespace() == core.HostNamespace:
		p.permitOwn(c, name)
		return p
	case !grants(c.deployment.Capabilities.Call, id):
		p.refusal = &core.CallError{Case: core.CallDenied, Text: name}
	case c.host.functions[name] == nil:
		p.refusal = &core.CallError{Case: core.CallNotFound, Text: name}
	}
	p.function = c.host.functions[name]
	return p
}

func grants(granted []core.IDPattern, id core.ComponentID) bool {
	for _, pattern := range granted {
		if pattern.Matches(id) {
			return true
		}
	}
	return false
}

// callEntered calls a function that has been entered.
func (c *component) callEntered(f *function, argument []byte) (result []byte, failure *core.CallError) {
	until, interrupted := c.beginFunction(f)
	if interrupted {
		f.leave()
		return nil, errCallEnded
	}
	ctx := c.calling.ctx
	switch {
	case f.own != nil:
		result, failure = f.own.call(c, ctx, argument)
		f.leave()
	case f.call != nil:
		result, failure = c.run(f, ctx, argument)
	default:
		result, failure = c.ask(f, argument, until)
	}
	if failure != nil && ctx.Err() != nil {
		failure = f.endedBy(ctx.Err())
	}
	ctx.finish()
	c.endFunction()
	switch {
	case failure == nil && c.host.clock.Now() >= until:
		return nil, f.late
	case failure == nil && len(result) > c.limits.MessageSize:
		return nil, c.tooLarge(f, len(result))
	}
	return result, failure
}

// endedBy returns the failure of a call, after the end of its context.
func (f *function) endedBy(err error) *core.CallError {
	if err == context.DeadlineExceeded {
		return f.late
	}
	return errCallEnded
}

func (c *component) tooLarge(f *function, size int) *core.CallError {
	return failed(fmt.Sprintf("the result of %s has %d bytes, and quota.message_size is %d", f.name, size, c.limits.MessageSize))
}

// run runs a function in Go. A panic is its failure.
func (c *component) run(f *function, ctx *functionContext, argument []byte) (result []byte, failure *core.CallError) {
	defer f.leave()
	defer func() {
		if reason := recover(); reason != nil {
			result, failure = nil, c.panicked(f, reason)
		}
	}()
	result, err := f.call(ctx, c.id, argument)
	if err != nil {
		return nil, failed(err.Error())
	}
	return result, nil
}

// panicked logs the panic of a function, and returns its failure.
func (c *component) panicked(f *function, reason any) *core.CallError {
	text := core.CutText(fmt.Sprintf("panic: %v", reason), core.MaxErrorText)
	c.host.log.Log(c.host.background, slog.LevelError, "a function panicked", "function", f.name, "component", c.id.String(),
		"reason", text, "details", core.CutText(debug.Stack(), core.MaxDetails))
	return failed(text)
}

// beginFunction begins the time of a function that c calls, and its context. It returns when
// it ends, on the host's clock, or that the call has been interrupted already. The caller
// calls endFunction otherwise.
func (c *component) beginFunction(f *function) (until time.Duration, interrupted bool) {
	a := c.calling
	now := c.host.clock.Now()
	if c.budget.limitsTime() {
		now = c.host.clock.Exact()
	}
	until = c.requestDeadline()
	if f.timeout < math.MaxInt64-now {
		until = min(until, now+f.timeout)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call.interrupted {
		return 0, true
	}
	until = min(until, c.beganLocked(now)+tenths(c.wallTimeLocked(), 9))
	a.ctx = a.ctx.begin(c.host, until)
	c.call.function, c.call.entered, c.call.functionContext = !c.traits.CountsRunningTime, now, a.ctx
	return until, false
}

// beganLocked returns when the call of c's guest began that is in progress, to a tick.
func (c *component) beganLocked(now time.Duration) time.Duration {
	a := c.calling
	if a.call != c.call.begun {
		a.call, a.began = c.call.begun, now
		if c.call.seen.Load() == c.call.begun {
			a.began = min(now, c.call.since)
		}
	}
	return a.began
}

// tenths returns n tenths of a time.
func tenths(all time.Duration, n time.Duration) time.Duration { return all/10*n + all%10*n/10 }

// wallTimeLocked returns how long the call of c's guest may take, with the functions that it
// calls.
func (c *component) wallTimeLocked() time.Duration {
	if c.call.starting {
		return c.limits.StartTime
	}
	return c.limits.HandlerWallTime
}

// endFunction ends the time of a function. The time is not the guest's: an engine that counts
// the time of its guests leaves it out itself, and for all others the watchdog does.
func (c *component) endFunction() {
	if c.traits.CountsRunningTime && !c.budget.limitsTime() {
		return
	}
	now := c.host.clock.Exact()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.call.began += now - c.call.entered // for the budget
	if !c.traits.CountsRunningTime {
		c.call.leaveFunction(now)
	}
}

// leaveFunction adds the time of a function to those of its call, as far as the watchdog has
// counted it.
func (w *watchedCall) leaveFunction(now time.Duration) {
	w.function = false
	if w.seen.Load() == w.begun {
		w.away += max(0, now-max(w.entered, w.since))
	}
}

// requestDeadline returns when nobody waits any more for the response to the request that c
// handles, on the host's clock, or math.MaxInt64.
func (c *component) requestDeadline() time.Duration {
	w := c.sched.worker
	if c.serving.depth > 0 {
		return c.serving.until
	}
	if b := c.guest.batch; b != nil && b.next < len(b.taken) {
		return c.host.deadlineOf(b.taken[b.next].Message)
	}
	if w == nil {
		return math.MaxInt64
	}
	if x := &w.exchange; x.last == c && x.message != nil {
		return c.host.deadlineOf(x.message)
	}
	if now := w.chain.link(w.chain.own); w.chain.own&1 == 1 && now.component == c && now.kind == core.TransferRequest {
		return now.until
	}
	return c.host.sinceBegan(c.guest.deadline)
}

// deadlineOf returns the deadline of a message, on the host's clock, or math.MaxInt64.
func (h *Host) deadlineOf(m *core.Message) time.Duration {
	if !m.IsRequest() {
		return math.MaxInt64
	}
	return h.sinceBegan(m.Deadline)
}

// sinceBegan returns the time on the host's clock for a deadline of a message, or
// math.MaxInt64 if it has none.
func (h *Host) sinceBegan(deadline int64) time.Duration {
	if deadline == 0 {
		return math.MaxInt64
	}
	return time.Duration(max(1, deadline-h.beganUnix))
}
