package host

import (
	"context"
	"time"

	"github.com/airhost/airhost/core"
)

// Request is one of several requests to the same component: see [Host.RequestMany].
type Request struct {
	// Payload is the request. It is not kept, nor changed. Several requests may have
	// the same.
	Payload []byte
	// Response is the caller's. RequestMany overwrites it with the response, from its
	// first byte on: append(Response[:0], …). It must not overlap another Response, nor
	// a Payload. It is empty if there is an Err.
	Response []byte
	// Err is nil, or why there is no response: an error as that of [Host.Request].
	Err error
}

// RequestMany sends requests to target, which handles them in order, and waits for all
// their responses. It sets Response and Err of each request. The requests are the host's
// until it returns. It returns the first Err that is not nil: a caller that wants all or
// nothing need not look at the others.
//
// It is for callers that have several requests at the same time: together they cost much
// less than one after the other. If each Response has the capacity, nothing is allocated
// while the component is idle.
//
// Each request is treated as by [Host.Request], with the same limits and timeout, and its
// failure is its own. If ctx ends, the requests that have no outcome get ctx's error. If
// the instance ends, so does the request that it handles; the next one waits for the
// restart. Of a component in a process, the requests that it was given together end with
// it.
//
// An idle component runs on the caller's goroutine as for [Host.Request]. After 32
// requests at most, or when a millisecond has passed, other messages have their turn. If
// the component is busy, up to 32 requests wait for it, but no more than fill a quarter
// of its mailbox.
func (h *Host) RequestMany(ctx context.Context, target core.ComponentID, requests []Request) error {
	window, n := 1, 0
	for rest := requests; len(rest) > 0; rest = rest[n:] {
		if err := ctx.Err(); err != nil {
			n = 1
			rest[0].fill(target, nil, err)
		} else if n = h.answerDirectly(ctx, target, rest); n == 0 {
			n, window = h.sendWindow(ctx, target, rest, window)
		}
	}
	for i := range requests {
		if err := requests[i].Err; err != nil {
			return err
		}
	}
	return nil
}

// fill sets the outcome of a request.
func (r *Request) fill(target core.ComponentID, response []byte, err error) {
	if err != nil {
		r.Response, r.Err = r.Response[:0], requestFailed(target, err)
		return
	}
	r.Response, r.Err = response, nil
}

// upTo returns how many of the requests are handled together: at most most, and of
// maxBatchBytes at most, but for a single request.
func upTo(most int, requests []Request) (n int) {
	for size := 0; n < min(most, len(requests)); n++ {
		if size += len(requests[n].Payload); size > maxBatchBytes && n > 0 {
			break
		}
	}
	return n
}

// answerDirectly makes an idle target handle the first of the requests on the caller's
// goroutine, and returns how many it has handled.
func (h *Host) answerDirectly(ctx context.Context, target core.ComponentID, requests []Request) (n int) {
	c := h.direct.find(target)
	if c == nil {
		return 0
	}
	c, fast := c.beginDirect(ctx, ctx.Done() == nil, len(requests[0].Payload))
	if c == nil {
		return 0
	}
	requests = requests[:c.fitting(requests[:upTo(batch, requests)])]
	if c.guest.batch != nil && !fast { // whoever stops the component should not wait for several slow calls
		requests = requests[:1]
	}
	requests = requests[:c.accepted(len(requests))]
	var trap error
	if c.guest.batch != nil && len(requests) > 1 {
		n, trap = c.answerBatch(requests)
	} else {
		n, trap = c.answerMany(requests)
		c.giveBack(len(requests) - n)
	}
	c.endDirect(trap)
	return n
}

// accepted returns how many of n requests c accepts now. It has accepted the first one.
func (c *component) accepted(n int) int {
	c = c.gate()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sched.accept == nil {
		return n
	}
	more := min(n-1, int(c.sched.accept.available()))
	c.sched.accept.take(float64(more))
	return 1 + more
}

// gate returns the component whose mailbox and rate what comes in for c counts to.
func (c *component) gate() *component {
	if c.post != nil {
		return c.post.front
	}
	return c
}

// giveBack gives n requests that were accepted and not answered back to the rate.
func (c *component) giveBack(n int) {
	if n == 0 {
		return
	}
	c = c.gate()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refundLocked(n)
}

// fitting returns how many of the requests come before the first that is too large.
func (c *component) fitting(requests []Request) int {
	for i := range requests {
		if len(requests[i].Payload) > c.limits.MessageSize {
			return i
		}
	}
	return len(requests)
}

// answerMany makes c handle requests one after the other, and returns how many it has
// handled. For the watchdog all of them are one call. But once the watchdog has seen the
// call, the request in progress is the last: so the time that it counts is that of one
// request.
func (c *component) answerMany(requests []Request) (n int, trap error) {
	for i := range requests {
		r := &requests[i]
		response, err := c.answer(core.HostID, r.Response[:0], r.Payload)
		if err != nil {
			trap, err = c.failedDirectly(core.HostID, r.Payload, err)
		}
		r.fill(c.id, response, err)
		if trap != nil || c.call.seen.Load() == c.call.begun {
			return i + 1, trap
		}
	}
	return len(requests), nil
}

// directBatch are requests of a Go program that a guest is given at once.
type directBatch struct {
	requests   []Request
	next       int // index in requests of the one that the guest handles
	messages   [batch]core.Message
	deliveries [batch]core.Delivery
	done       func(i int, response []byte, err error)
}

// newDirectBatch makes a directBatch for c's instance.
func newDirectBatch(c *component) *directBatch {
	d := &directBatch{done: c.deliveredDirectly}
	for i := range d.messages {
		d.messages[i] = core.Message{Sender: core.HostID, Target: c.id, Correlation: core.RequestID(i + 1)}
		d.deliveries[i].Message = &d.messages[i]
	}
	return d
}

// answerBatch makes c handle requests by one call of the instance. It returns how many have
// their outcome: all.
func (c *component) answerBatch(requests []Request) (n int, trap error) {
	if c.guest.batch.direct == nil {
		c.guest.batch.direct = newDirectBatch(c)
	}
	d := c.guest.batch.direct
	d.requests, d.next = requests, 0
	for i := range requests {
		d.messages[i].Payload = requests[i].Payload
	}
	trap = c.host.bounds.endingOf(c.guest.batch.instance.HandleBatch(d.deliveries[:len(requests)], d.done))
	for trap != nil && d.next < len(requests) {
		c.finishDirectly(nil, trap)
	}
	d.requests = nil
	for i := range requests {
		d.messages[i].Payload = nil
	}
	return len(requests), trap
}

// deliveredDirectly is called for each request of a directBatch that the guest has
// handled. For the watchdog the next one is a call of its own.
func (c *component) deliveredDirectly(_ int, response []byte, err error) {
	c.finishDirectly(response, err)
	if d := c.guest.batch.direct; d.next < len(d.requests) {
		c.beginNextCall()
	}
}

// finishDirectly sets the outcome of the request of a directBatch that the guest handles.
func (c *component) finishDirectly(response []byte, err error) {
	d := c.guest.batch.direct
	r := &d.requests[d.next]
	d.next++
	c.counts.direct++
	c.counts.Handled++
	if err != nil {
		_, err = c.failedDirectly(core.HostID, r.Payload, err)
	}
	r.fill(c.id, append(r.Response[:0], response...), err)
}

// sendWindow sends the first of the requests, at most window, by way of broker and
// tracker, and waits for their outcomes. It returns how many have one, and the next
// window. That is larger as long as the target is so fast that no request times out for
// those before it.
func (h *Host) sendWindow(ctx context.Context, target core.ComponentID, requests []Request, window int) (n, next int) {
	most := batch
	if c := h.direct.find(target); c != nil {
		c.mu.Lock()
		most = min(most, max(1, c.limits.Mailbox/4))
		c.mu.Unlock()
	}
	var calls [batch]*waitingCall
	n, began := upTo(min(window, most), requests), time.Now()
	for i := range requests[:n] {
		calls[i], requests[i].Err = h.begin(ctx, core.HostID, target, nil, requests[i].Payload)
	}
	for i := range requests[:n] {
		r := &requests[i]
		if calls[i] == nil {
			r.fill(target, nil, r.Err)
			continue
		}
		response, err := h.wait(ctx, r.Response[:0], calls[i])
		r.fill(target, response, err)
	}
	if time.Since(began) > h.config.RequestTimeout/(2*batch) {
		return n, 1
	}
	return n, min(2*window, batch)
}
