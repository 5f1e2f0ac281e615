package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// Quiesce waits until nothing is under way: no message waits or is being
// handled, and no request is pending. It returns ctx's error when that does not
// come to be in time. A component that is down until its restart keeps what
// waits for it under way.
func (h *Host) Quiesce(ctx context.Context) error {
	pause := 50 * time.Microsecond
	for !h.quiet() {
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Millisecond)
		case <-ctx.Done():
			return fmt.Errorf("messages are still under way: %w", ctx.Err())
		}
	}
	return nil
}

// quiet reports whether nothing is under way. Ends are read before beginnings:
// where both are equal, nothing was between them.
func (h *Host) quiet() bool {
	if h.tracker.Pending() > 0 || h.busy() {
		return false
	}
	ended, _, _ := h.sum()
	dead := h.tally.deadLetters.Load()
	begun := h.Snapshot()
	var refused uint64
	for _, n := range begun.Refused {
		refused += n
	}
	return !h.busy() && begun.Sent == ended.Handled+dead+refused
}

// busy reports whether a component runs or has something to do.
func (h *Host) busy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.components {
		c.mu.Lock()
		busy := c.status == running || c.status == queued || c.status == claimed || c.mailbox.length > 0
		c.mu.Unlock()
		if busy {
			return true
		}
	}
	return false
}

// Stop ends the host gracefully: new messages are refused, what is under way is
// worked off for up to Config.DrainTimeout, what is left in mailboxes becomes
// dead letters, every pending request gets its callback, guests are shut down,
// and broker and tracker are closed. It blocks until then, or until ctx ends:
// then it names the components that would not end, and leaves them behind. A
// second Stop returns nil.
func (h *Host) Stop(ctx context.Context) error {
	h.mu.Lock()
	started := h.state == stateRunning
	h.state = stateStopped
	all := h.list()
	h.mu.Unlock()
	if !started {
		return nil
	}
	h.stopping.Store(true)
	h.epoch.Add(1)
	drain, cancel := context.WithTimeout(ctx, h.config.DrainTimeout)
	if err := h.Quiesce(drain); err != nil {
		h.log.Warn("drain limit reached, what is left will not be handled", "limit", h.config.DrainTimeout, "reason", err.Error())
	}
	cancel()

	owned, errs := h.acquireAll(ctx, all)
	h.endRequests(owned)
	for _, c := range owned {
		h.detach(c)
		errs = append(errs, h.takeDown(ctx, c, errHostStopping))
		h.expel(c)
	}
	close(h.stopped)
	errs = append(errs, h.workers.stop(ctx), h.broker.Close(ctx), h.tracker.Close())
	h.clock.Close()
	h.audit.stop()
	h.events.close()
	return errors.Join(errs...)
}

// acquireAll makes the caller the owner of all components that let it.
func (h *Host) acquireAll(ctx context.Context, all []*component) (owned []*component, errs []error) {
	for _, c := range all {
		if err := c.acquire(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s was left behind: %w", c.id, err))
		} else {
			owned = append(owned, c)
		}
	}
	return owned, errs
}

// endRequests gives every pending request of the components its callback.
func (h *Host) endRequests(owned []*component) {
	for _, c := range owned {
		c.mu.Lock()
		messages := c.mailbox.takeMessages()
		c.mu.Unlock()
		for _, m := range messages {
			h.undeliverable(m, errHostStopping)
		}
	}
	for _, c := range owned {
		for _, id := range h.tracker.Remove(c) {
			m := core.NewMessage(nil)
			m.Correlation = id
			m.Fail(errHostStopping)
			c.outcome(m, nil)
		}
		c.callBack()
	}
}

// callBack works off the outcomes in c's mailbox; the owner calls it.
func (c *component) callBack() {
	slot := c.host.watch.acquire(c)
	defer slot.release()
	c.mu.Lock()
	for c.instance != nil && c.mailbox.outcomes > 0 && c.mailbox.waiting() == 0 {
		e := c.mailbox.pop()
		c.begin()
		c.end(c.handle(e))
	}
	c.mu.Unlock()
}
