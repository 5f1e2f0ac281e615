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
	if err := ctx.Err(); err != nil {
		return nil, requestFailed(target, err)
	}
	if c := h.direct.find(target); c != nil && !h.stopping.Load() && c.answersBefore(ctx) {
		if response, err, done := c.callDirectly(dst, payload); done {
			if err != nil {
				err = requestFailed(target, err)
			}
			return response, err
		}
	}
	response, err := h.request(ctx, dst, target, payload)
	if err != nil {
		return nil, requestFailed(target, err)
	}
	return response, nil
}

func requestFailed(target core.ComponentID, err error) error {
	return fmt.Errorf("request to %s: %w", target, err)
}

// answersBefore reports whether c can be called on the goroutine of a caller that waits
// no longer than ctx.
func (c *component) answersBefore(ctx context.Context) bool {
	if ctx.Done() == nil {
		return true
	}
	if !c.traits.Interruptible {
		return false
	}
	c.mu.Lock()
	fast := c.call.fast
	c.mu.Unlock()
	deadline, limited := ctx.Deadline()
	longest := c.limits.HandlerTime
	if c.traits.CountsRunningTime {
		longest = c.limits.HandlerWallTime
	}
	return fast && (!limited || time.Until(deadline) >= longest)
}

// callDirectly runs c on the caller's goroutine, if c is idle, and appends its response
// to dst. done says whether it ran.
func (c *component) callDirectly(dst, payload []byte) (response []byte, err error, done bool) {
	if len(payload) > c.limits.MessageSize {
		return nil, nil, false
	}
	c.mu.Lock()
	if c.sched.status != idle {
		c.mu.Unlock()
		return nil, nil, false
	}
	if c.call.ownSlot == nil {
		slot := c.host.watch.tryAcquire(c)
		if slot == nil {
			c.mu.Unlock()
			return nil, nil, false
		}
		if c.host.watch.keep() {
			c.call.ownSlot = slot
		} else {
			defer slot.release()
		}
	}
	c.sched.become(running)
	c.beginCallAndUnlock()
	c.allow()
	c.guest.response = dst
	err = c.life.instance.HandleMessage(core.HostID, payload, &c.guest.response)
	response, c.guest.response = c.guest.response, nil
	answer, trap := c.countError(err)
	c.counts.direct++
	if trap == nil {
		c.counts.Handled++
	} else {
		c.host.recordDead(&core.Message{Sender: core.HostID, Target: c.id, Payload: payload}, trap)
	}
	c.lockAndEndCall(trap)
	c.yieldAndUnlock(nil)
	if err != nil {
		return nil, requestError(answer, trap), true
	}
	return response, nil, true
}

// waitingCall is a Go program's request that a worker answers.
type waitingCall struct {
	host    *Host
	outcome chan *core.Message
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

// request sends a request by way of broker and tracker.
func (h *Host) request(ctx context.Context, dst []byte, target core.ComponentID, payload []byte) ([]byte, error) {
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
	call, mark := &waitingCall{h, make(chan *core.Message, 1)}, h.givenUp.Load()
	id, err := h.tracker.Register(call, timeout)
	if err != nil {
		return nil, h.refused(unlessStopping(err))
	}
	m := core.NewMessage(payload)
	m.Sender, m.Target, m.Correlation, m.Origin, m.Mark, m.Deadline = core.HostID, target, id, h, mark, deadline.UnixNano()
	if err := h.publish(m); err != nil {
		m.Release()
		h.tracker.Cancel(id, call)
		return nil, h.refused(err)
	}
	h.counts.requests.Add(1)
	return h.wait(ctx, dst, call, id)
}

func (h *Host) wait(ctx context.Context, dst []byte, call *waitingCall, id core.RequestID) ([]byte, error) {
	select {
	case m := <-call.outcome:
		return takeResponse(dst, m)
	case <-h.stopped:
		if h.tracker.Cancel(id, call) {
			return nil, errHostStopping
		}
	case <-ctx.Done():
		if h.tracker.Cancel(id, call) {
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
	h.counts.sent.Add(1)
	m := core.NewMessage(payload)
	m.Sender, m.Target = core.HostID, target
	if err := h.publish(m); err != nil {
		m.Release()
		return fmt.Errorf("message to %s: %w", target, h.refused(err))
	}
	return nil
}

// publish delivers a message of a Go program.
func (h *Host) publish(m *core.Message) error {
	receiver, err := h.route(m.Target)
	if err != nil {
		return err
	}
	return receiver.Deliver(m)
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
