package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

// Request sends a request to target and waits for its response, which the
// caller owns. payload is not kept, nor changed.
//
// It returns ctx's error when ctx ends first; without a deadline of ctx's own
// the request times out after Config.RequestTimeout. A request that is refused
// is a [core.MessagingError], one that ends without a response a
// [core.RequestError].
//
// An idle component runs on the caller's goroutine, which is several times faster
// than on a worker's. This is done only if the caller can be answered in time: ctx
// cannot end; or the engine can interrupt the component, its last call was fast, and
// its time ends before ctx's deadline (its HandlerWallTime, if the engine counts the
// time that a guest runs). If ctx is canceled during such a call, or the machine is too
// busy to run it, the caller learns of it only when the call ends. If more such calls
// are in progress than [Config.HeldUpWorkers] says, a worker runs the component.
func (h *Host) Request(ctx context.Context, target core.ComponentID, payload []byte) ([]byte, error) {
	return h.AppendRequest(ctx, nil, target, payload)
}

// AppendRequest is [Host.Request] for a caller that has room for the response: it
// appends it to dst and returns the extended slice, or nil with an error. dst must
// not overlap payload. With enough capacity nothing is allocated.
func (h *Host) AppendRequest(ctx context.Context, dst []byte, target core.ComponentID, payload []byte) ([]byte, error) {
	return Caller{h, core.HostID}.AppendRequest(ctx, dst, target, payload)
}

// AppendRequest is [Host.AppendRequest].
func (s Caller) AppendRequest(ctx context.Context, dst []byte, target core.ComponentID, payload []byte) ([]byte, error) {
	h := s.host
	endless := ctx.Done() == nil
	if !endless && ctx.Err() != nil {
		return nil, requestFailed(target, ctx.Err())
	}
	if c := h.direct.find(target); c != nil {
		if c, _ := c.beginDirect(ctx, endless, len(payload)); c != nil {
			response, err := c.answer(s.id, dst, payload)
			if err == nil {
				c.endDirect(nil)
				return response, nil
			}
			trap, err := c.failedDirectly(s.id, payload, err)
			c.endDirect(trap)
			return nil, requestFailed(target, err)
		}
	}
	response, err := s.request(ctx, dst, target, payload)
	if err != nil {
		return nil, requestFailed(target, err)
	}
	return response, nil
}

func requestFailed(target core.ComponentID, err error) error {
	return fmt.Errorf("request to %s: %w", target, err)
}

// beginDirect makes the goroutine of a Go program c's owner and begins a call with size
// bytes, if c is idle and ctx lasts long enough for an answer. Of several instances it takes
// one that is idle. It returns the component that is called, or nil, and whether its last
// call was fast. The caller ends the call by endDirect.
func (c *component) beginDirect(ctx context.Context, endless bool, size int) (on *component, fast bool) {
	if c.host.stopping.Load() {
		return nil, false
	}
	c.mu.Lock()
	if c.sched.status == spread {
		return c.beginDirectOnMemberAndUnlock(ctx, endless, size)
	}
	fast = c.call.fast
	if c.sched.status != idle || size > c.limits.MessageSize ||
		!endless && !(fast && c.answersBeforeLocked(ctx)) || !c.acceptsLocked(1) {
		c.mu.Unlock()
		return nil, false
	}
	if c.call.ownSlot == nil && !c.takeSlotLocked() {
		c.refundLocked(1)
		c.mu.Unlock()
		return nil, false
	}
	c.sched.become(running)
	c.beginCallAndUnlock()
	return c, fast
}

// answersBeforeLocked reports whether one fast call of c ends before ctx.
func (c *component) answersBeforeLocked(ctx context.Context) bool {
	if !c.traits.Interruptible {
		return false
	}
	longest := c.longestCall()
	deadline, limited := ctx.Deadline()
	return !limited || time.Until(deadline) >= longest
}

// longestCall returns how long a call of c may take, with the time in which its guest waits.
func (c *component) longestCall() time.Duration {
	if c.traits.CountsRunningTime || len(c.deployment.Capabilities.Call) > 0 {
		return c.limits.HandlerWallTime
	}
	return c.limits.HandlerTime
}

// takeSlotLocked takes a watch slot for calls on the goroutines of Go programs, if there
// is one. c keeps it if it may.
func (c *component) takeSlotLocked() bool {
	slot := c.host.watch.tryAcquire(c)
	if slot == nil {
		return false
	}
	c.keepSlotLocked(slot)
	return true
}

// keepSlotLocked makes a watch slot c's own, if it may keep one, or for the call that begins.
func (c *component) keepSlotLocked(slot *watchSlot) {
	if c.host.watch.keep() {
		c.call.ownSlot = slot
	} else {
		c.call.lentSlot = slot
	}
}

// endDirect ends a call that beginDirect has begun, and gives up c. trap is the error
// that ended the instance, or nil.
func (c *component) endDirect(trap error) {
	c.lockAndEndCall(trap)
	c.returnSlotLocked()
	c.yieldAndUnlock(nil)
}

// returnSlotLocked releases the watch slot of a call on another goroutine than a worker's, if
// c does not keep it.
func (c *component) returnSlotLocked() {
	if c.call.lentSlot != nil {
		c.call.lentSlot.release()
		c.call.lentSlot = nil
	}
}

// answer makes c handle the request of a Go program, or the call of a function, and appends
// the response to dst. The caller owns c and has begun the call. It passes an error on to
// failedDirectly.
func (c *component) answer(sender core.ComponentID, dst, payload []byte) (response []byte, err error) {
	c.counts.direct++
	c.counts.Handled++
	c.allow()
	c.guest.response = dst
	err = c.life.instance.HandleMessage(sender, payload, &c.guest.response)
	response, c.guest.response = c.guest.response, nil
	c.sendOpen()
	return response, err
}

// failedDirectly notes that a call by answer, which is counted as handled, ended
// with err. It returns the error that ended the instance, or nil, and the error of the
// request.
func (c *component) failedDirectly(sender core.ComponentID, payload []byte, err error) (trap, failure error) {
	answer, trap := c.countError(err)
	if trap != nil {
		const some = 1 // a request has an id, which this one does without
		c.counts.Handled--
		c.host.recordDead(&core.Message{Sender: sender, Target: c.id, Correlation: some, Payload: payload}, trap)
	}
	return trap, requestError(answer, trap)
}

// waitingCall is a Go program's request that a worker answers.
type waitingCall struct {
	host    *Host
	outcome chan *core.Message
	id      core.RequestID // of its sender's alone
}

// Expired implements [core.Waiter].
func (w *waitingCall) Expired(id core.RequestID, reason *core.RequestError) {
	w.outcome <- w.host.expired(id, reason)
}

// expired counts a request that its tracker has ended, and returns its outcome.
func (h *Host) expired(id core.RequestID, reason *core.RequestError) *core.Message {
	if reason == core.ErrTimeout {
		h.counts.timeouts.Add(1)
	}
	h.givenUp.Add(1)
	m := core.NewMessage(nil)
	m.Correlation = id
	m.Fail(boundRequestError(reason, core.MaxErrorText))
	return m
}

// request sends a request by way of broker and tracker, and waits for its outcome.
func (s Caller) request(ctx context.Context, dst []byte, target core.ComponentID, payload []byte) ([]byte, error) {
	call, err := s.host.begin(ctx, s.id, target, nil, payload)
	if err != nil {
		return nil, err
	}
	return s.host.wait(ctx, dst, call)
}

// begin sends a request by way of tracker and broker, or to a receiver that is not nil.
func (h *Host) begin(ctx context.Context, sender, target core.ComponentID, to core.Receiver, payload []byte) (*waitingCall, error) {
	h.counts.sent.Add(1)
	timeout := h.config.RequestTimeout
	deadline, limited := ctx.Deadline()
	if limited {
		// ctx ends the request, which may be late on a busy machine.
		timeout = min(core.MaxTimeout, max(0, time.Until(deadline))+time.Minute)
	} else {
		deadline = time.Now().Add(timeout)
	}
	// One place: exactly one of response, expiry and end of the host fills it.
	call, mark := &waitingCall{host: h, outcome: make(chan *core.Message, 1)}, h.givenUp.Load()
	id, err := h.tracker.Register(call, timeout)
	if err != nil {
		return nil, h.refused(unlessStopping(err))
	}
	call.id = id
	m := core.NewMessage(payload)
	m.Sender, m.Target, m.Correlation, m.Origin, m.Mark, m.Deadline = sender, target, id, h, mark, deadline.UnixNano()
	if err := h.publish(m, to); err != nil {
		m.Release()
		h.tracker.Cancel(id, call)
		return nil, h.refused(err)
	}
	h.counts.requests.Add(1)
	return call, nil
}

// wait waits for the outcome of a request, and appends the response to dst.
func (h *Host) wait(ctx context.Context, dst []byte, call *waitingCall) ([]byte, error) {
	select {
	case m := <-call.outcome:
		return takeResponse(dst, m)
	case <-h.stopped:
		if h.tracker.Cancel(call.id, call) {
			return nil, errHostStopping
		}
	case <-ctx.Done():
		if h.tracker.Cancel(call.id, call) {
			h.counts.canceled.Add(1)
			h.givenUp.Add(1)
			return nil, ctx.Err()
		}
	}
	// The request has left the tracker: its outcome is about to come, or all requests
	// have been forgotten.
	select {
	case m := <-call.outcome:
		return takeResponse(dst, m)
	case <-h.forgotten:
		return nil, errHostStopping
	}
}

func takeResponse(dst []byte, m *core.Message) ([]byte, error) {
	defer m.Release()
	if m.Failure != nil {
		return nil, m.Failure
	}
	if dst == nil {
		dst = make([]byte, 0, len(m.Payload)) // not nil, even for an empty response
	}
	return append(dst, m.Payload...), nil
}

// Send sends a fire-and-forget message to target and returns once the broker
// has taken it. payload is not kept, nor changed. An error is a
// [core.MessagingError]; nothing has happened then. It does not block.
func (h *Host) Send(target core.ComponentID, payload []byte) error {
	return Caller{h, core.HostID}.Send(target, payload)
}

// Send is [Host.Send].
func (s Caller) Send(target core.ComponentID, payload []byte) error {
	h := s.host
	h.counts.sent.Add(1)
	m := core.NewMessage(payload)
	m.Sender, m.Target = s.id, target
	if err := h.publish(m, nil); err != nil {
		m.Release()
		return fmt.Errorf("message to %s: %w", target, h.refused(err))
	}
	return nil
}

// publish delivers a message of a Go program, or of a call of a function, to a receiver, or by
// the broker if that is nil.
func (h *Host) publish(m *core.Message, to core.Receiver) error {
	if to == nil {
		receiver, err := h.route(m.Target)
		if err != nil {
			return err
		}
		to = receiver
	}
	return to.Deliver(m)
}

// refused counts the refusal of a Go program's message and returns it in the
// contract's terms.
func (h *Host) refused(err error) error {
	refusal := refusalOf(err)
	h.counts.refused[refusal.Case].Add(1)
	return refusal
}

// unlessStopping returns err, or errStopping if err means that the host is stopping.
func unlessStopping(err error) error {
	if errors.Is(err, core.ErrClosed) {
		return errStopping
	}
	return err
}

// route asks the broker for the way to a target.
func (h *Host) route(target core.ComponentID) (core.Receiver, error) {
	if h.stopping.Load() {
		return nil, errStopping
	}
	receiver, err := h.broker.Route(target)
	return receiver, unlessStopping(err)
}

// Respond implements [core.Origin].
func (h *Host) Respond(m *core.Message) {
	m.Failure = boundRequestError(m.Failure, core.MaxErrorText)
	h.respond(m, nil)
}

// respond passes an outcome on to the component or the Go program that waits for it.
func (h *Host) respond(m *core.Message, w *worker) {
	waiter, pending := h.tracker.Resolve(m.Correlation)
	switch waiter := waiter.(type) {
	case *component:
		waiter.outcome(m, w)
	case *waitingCall:
		waiter.outcome <- m
	case *relay:
		waiter.respond(m)
	default:
		if !pending {
			h.counts.late.Add(1)
		}
		m.Release()
	}
}

// Undelivered implements [core.Origin].
func (h *Host) Undelivered(m *core.Message, reason error) {
	h.undeliverable(m, core.Undelivered(refusalOf(reason)))
}

// undeliverable ends a message that was taken and cannot be handled.
func (h *Host) undeliverable(m *core.Message, reason *core.RequestError) {
	if h.isOver(m) {
		h.counts.expired.Add(1)
		m.Release()
		return
	}
	h.recordDead(m, reason)
	if !m.IsRequest() {
		m.Release()
		return
	}
	m.Fail(reason)
	m.Origin.Respond(m)
}
