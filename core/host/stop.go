package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// Quiesce waits until nothing is under way: no message waits or is being
// handled, no request is pending, and nothing is being deployed or undeployed. It
// returns ctx's error if ctx ends first. Messages that wait for a component that is
// down until its restart are under way. Timers that run are not.
func (h *Host) Quiesce(ctx context.Context) error {
	for pause := newPause(); !h.quiet(); {
		if !pause.wait(ctx) {
			return fmt.Errorf("messages are still under way: %w", ctx.Err())
		}
	}
	return nil
}

// quiet reports whether nothing is under way. It looks at one component after the
// other, so a message in flight between two of them can be missed by one pass. It
// cannot be missed by two passes between which no counter changed.
func (h *Host) quiet() bool {
	before := h.balance()
	return before.even() && (before.calledBack() || isClosed(h.forgotten)) && h.tracker.Pending() == 0 && h.balance() == before
}

// balance holds the counts of messages that have begun, and of those that have ended.
type balance struct {
	totals
	sent, refused, deadLetters uint64
	expired, orphans           uint64
	left, arrived              uint64 // by a broker that joins hosts
}

func (h *Host) balance() balance {
	b := balance{totals: h.totals(), deadLetters: h.counts.deadLetters.Load(), orphans: h.counts.orphans.Load()}
	b.expired = b.Expired + h.counts.expired.Load()
	for i := range h.counts.refused {
		b.refused += b.refusals[i] + h.counts.refused[i].Load()
	}
	b.sent = b.Sent + b.direct + b.fired + h.counts.sent.Load()
	b.left, b.arrived = h.traffic()
	b.failedHTTP = nil // a pointer to a copy, which is another one each time
	return b
}

// traffic returns how many messages have left this host for others, and come.
func (h *Host) traffic() (left, arrived uint64) {
	if carrier, ok := h.broker.(core.Carrier); ok {
		return carrier.Traffic()
	}
	return 0, 0
}

// even reports whether all messages that have begun have ended.
func (b *balance) even() bool {
	return b.busy == 0 && b.sent+b.arrived == b.Handled+b.expired+b.deadLetters+b.refused+b.left
}

// calledBack reports whether all requests of components have ended for their senders:
// one that has left the tracker may still be on the way to its callback.
func (b *balance) calledBack() bool { return b.Requests == b.Callbacks+b.Canceled+b.orphans }

// Stop ends the host gracefully: new messages are refused; running timers are canceled,
// and no others start; messages under way are handled for up to Config.DrainTimeout;
// those that are still in mailboxes become dead letters; every pending request gets its
// callback; guests are shut down; broker and tracker are closed. Stop blocks until then,
// or until ctx ends: then it calls no guest any more and interrupts those that run, which
// takes a few milliseconds more, even if ctx had ended before.
//
// An error says which components were interrupted, not shut down or left behind, and
// how many messages were not handled ([ErrUnhandled]). Components that cannot be
// interrupted are left behind: a Go component in a call, a module that is being
// compiled. Each is removed when its call returns, and until then its engine's Close
// waits for it. Nothing else runs any more.
//
// A second Stop waits for the end of the first and returns its result, or an error
// where its own ctx ends before.
//
// A component written in Go must not stop its host: Stop would wait for its call
// to end.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	before := h.state
	h.state = stateStopped
	h.mu.Unlock()
	switch before {
	case stateNew:
		close(h.over)
	case stateRunning:
		h.stopError = h.stop(ctx)
		close(h.over)
	}
	select {
	case <-h.over:
	case <-ctx.Done():
	}
	if isClosed(h.over) {
		return h.stopError
	}
	return fmt.Errorf("the host is still being stopped by another call: %w", ctx.Err())
}

func (h *Host) stop(ctx context.Context) error {
	h.stopping.Store(true)
	h.epoch.Add(1)
	h.takeNoMore()
	defer context.AfterFunc(ctx, h.hurry)()
	h.drain(ctx)

	deadLetters := h.counts.deadLetters.Load()
	owned, left := h.acquireAll(ctx)
	h.clearMailboxes(owned)
	var errs []error
	for _, c := range owned {
		errs = append(errs, h.end(ctx, c))
	}
	working := h.background // no call holds a worker up, however late it is
	soon, cancel := context.WithTimeout(h.background, interruptTime)
	defer cancel()
	for _, l := range left {
		errs = append(errs, l.await(soon))
		if !isClosed(l.component.gone) {
			working = ctx
		}
	}
	close(h.stopped)
	errs = append(errs, h.workers.stop(working), boundError(h.broker.Close(ctx)), boundError(h.tracker.Close()))
	close(h.forgotten)
	h.hurry() // ends preparations, and requests to the web
	h.exchanges.stop()
	h.clock.Close()
	h.audit.stop()
	h.events.close()
	n := h.counts.deadLetters.Load() - deadLetters
	for _, l := range left {
		if !isClosed(l.component.gone) {
			n += l.component.messages()
		}
	}
	if n > 0 {
		errs = append(errs, fmt.Errorf("%w: %d", ErrUnhandled, n))
	}
	return errors.Join(errs...)
}

// messages returns how many messages a component that was left behind has, with the
// one that it handles.
func (c *component) messages() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := uint64(c.sched.mailbox.waiting())
	if c.call.inProgress {
		n++
	}
	return n
}

// drain gives messages that are under way the time to end.
func (h *Host) drain(ctx context.Context) {
	close(h.draining)
	limited, cancel := context.WithTimeout(ctx, h.config.DrainTimeout)
	defer cancel()
	h.topics.leave(limited)
	if err := h.Quiesce(limited); err != nil {
		h.log.Warn("drain limit reached, what is left will not be handled", "limit", h.config.DrainTimeout, "reason", err.Error())
	}
	// A change that does not end in time is found by its component, which is claimed.
	_ = waitFor(ctx, &h.changes)
}

// acquireAll makes the caller the owner of all components, but for those with an owner
// that keeps them until ctx ends: they are left behind.
func (h *Host) acquireAll(ctx context.Context) (owned []*component, left []leftover) {
	if ctx.Err() != nil {
		h.hurry() // what comes beside a component from now on is left behind
	}
	h.mu.Lock()
	all := slices.AppendSeq(h.listLocked(), maps.Keys(h.beside))
	h.mu.Unlock()
	for _, c := range all {
		if err := c.acquire(ctx); err == nil || c.leaveBehind() {
			owned = append(owned, c)
			h.waits.changed() // calls that wait for c look again
		} else {
			left = append(left, leftover{c, err})
		}
	}
	return owned, left
}

// leaveBehind interrupts c's call in progress and leaves c to its owner, which removes
// it after the call. If c has no owner any more, the caller owns it.
func (c *component) leaveBehind() (owned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.leftBehind = true
	if c.call.inProgress {
		c.interruptLocked()
	}
	if c.sched.status == running || c.sched.status == claimed || c.sched.status == removed {
		return false
	}
	c.claimLocked()
	return true
}

// interruptTime is how long Stop waits for calls that it has interrupted. This is
// enough on the busiest machine; a call that takes longer is blocked by something
// else, such as a logger.
const interruptTime = 5 * time.Second

// leftover is a component that Stop leaves to its owner, and the reason.
type leftover struct {
	component *component
	reason    error
}

// await waits until the component is removed, if that is a matter of milliseconds.
// The error says whether it was.
func (l leftover) await(limit context.Context) error {
	if l.component.endsSoon() {
		select {
		case <-l.component.gone:
			return fmt.Errorf("%s was interrupted: %w", l.component.id, l.reason)
		case <-limit.Done():
		}
	}
	return fmt.Errorf("%s was left behind: %w", l.component.id, l.reason)
}

// endsSoon reports whether the owner of a component that was left behind removes it
// soon, or has removed it: its engine can end the call in progress, or there is none. None
// begins any more.
func (c *component) endsSoon() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sched.status == removed || (c.compiled != nil || c.crew != nil) && (c.traits.Interruptible || !c.call.inProgress)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// removeLeftBehind removes a component that Stop has left behind. The owner calls it.
func (h *Host) removeLeftBehind(c *component) {
	if err := h.remove(h.background, c, errStopping); err != nil {
		h.log.Warn("a component that was left behind", "component", c.id.String(), "reason", err.Error())
	}
}

// clearMailboxes ends the messages that wait, while their senders can still be told.
func (h *Host) clearMailboxes(owned []*component) {
	for _, c := range owned {
		c.mu.Lock()
		c.cancelTimersLocked()
		messages := c.sched.mailbox.takeMessages()
		c.mu.Unlock()
		for _, m := range messages {
			h.undeliverable(m, errHostStopping)
		}
	}
}

// end calls back and removes a component that the caller owns. When ctx ends its guest
// is interrupted, and left behind if the engine cannot interrupt it.
func (h *Host) end(ctx context.Context, c *component) error {
	if err := ctx.Err(); err != nil {
		c.leaveBehind()
		return errors.Join(fmt.Errorf("%s was not shut down: %w", c.id, err), h.remove(h.background, c, errStopping))
	}
	ended := make(chan error, 1)
	go func() {
		c.callBack()
		ended <- h.remove(h.background, c, errStopping)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	c.leaveBehind()
	soon, cancel := context.WithTimeout(h.background, interruptTime)
	defer cancel()
	return leftover{c, fmt.Errorf("its last call has not ended: %w", ctx.Err())}.await(soon)
}

// callBack gives c's pending requests their callbacks, and handles those that wait.
// The owner calls it.
func (c *component) callBack() {
	c.sender.ids, c.sender.used = nil, 0
	for _, id := range c.removeRequests() {
		c.endRequest(id)
	}
	slot := c.host.watch.acquire(c)
	defer slot.release()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.life.instance != nil && !c.life.leftBehind && c.sched.mailbox.length > 0 {
		e := c.sched.mailbox.pop()
		if !e.outcome { // it was under way when the mailboxes were cleared
			c.mu.Unlock()
			c.host.undeliverable(e.message, errHostStopping)
			c.mu.Lock()
			continue
		}
		c.handleOutcomeLocked(e)
	}
}

// handleOutcomeLocked handles an outcome outside of a worker. The owner calls it. It releases c.mu
// meanwhile.
func (c *component) handleOutcomeLocked(e entry) {
	if !c.traits.Callback {
		c.dropOutcome(e.message)
		return
	}
	c.beginCallAndUnlock()
	trap := c.handle(e)
	c.sendOpen()
	c.lockAndEndCall(trap)
}

// endRequest ends one of c's requests, for the host stops.
func (c *component) endRequest(id core.RequestID) {
	m := core.NewMessage(nil)
	m.Correlation = id
	m.Fail(errHostStopping)
	c.outcome(m, nil)
}
