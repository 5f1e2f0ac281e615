package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/airhost/airhost/core"
)

// Replace is [Host.Prepare] and then [Prepared.Replace].
func (h *Host) Replace(ctx context.Context, d Deployment) error {
	p, err := h.Prepare(ctx, d)
	if err != nil {
		return err
	}
	return p.Replace(ctx)
}

// Replace makes a prepared guest the new version of the component of its id, while
// messages come in. The new version starts beside the old one, which goes on until the new
// one has been initialized. Then the old one ends its call, and the new one takes its
// place. No message is refused, lost or handled twice because of it: messages that wait
// are the new one's, and so are the outcomes of requests that the old one sent, with
// their ids. Counters go on. Everything else is as the new deployment says; the engine may
// be another one.
//
// If both versions export component-state, the old one's state goes along: see
// [core.StateKeeper]. This is done only from one instance to one instance. The number of
// instances may change: then outcomes and timers of an old instance are some new one's.
//
// Replace blocks until the new version has been initialized, then until the old one's call
// has ended, and then until the old one has been shut down. If the new version cannot
// start, or the state cannot be handed over, or ctx ends before, the old version goes on
// as it was: then the error is that of [Host.Deploy], or of the state. An error of the
// old version's end comes after the replacement. Several changes of a component come one
// after the other. A component that is not deployed is a [core.MessagingError] of the
// case target-not-found. The delivery cannot change.
//
// A component written in Go must not replace itself: it would wait for its own call to
// end.
func (p *Prepared) Replace(ctx context.Context) error {
	if err := cmp.Or(p.deployment.notMoving(), p.use()); err != nil {
		return err
	}
	h := p.host
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	c, err := h.change(ctx, p.deployment.ID)
	if err != nil {
		return fmt.Errorf("replacement of %s: %w", p.deployment.ID, errors.Join(err, boundError(p.compiled.Close(ctx))))
	}
	defer h.changed(c)
	if c.deployment.Delivery != p.deployment.Delivery {
		return fmt.Errorf("replacement of %s: %w", c.id, errors.Join(errDelivery, boundError(p.compiled.Close(ctx))))
	}
	next := newComponent(h, p.deployment)
	h.putBeside(next)
	next.setCompiled(p.compiled)
	if err := next.joinBudget(); err != nil {
		return fmt.Errorf("replacement of %s: %w", c.id, errors.Join(err, h.removeCrew(ctx, next, next.refusals.notFound)))
	}
	if err := h.replace(ctx, c, next); err != nil {
		return fmt.Errorf("replacement of %s: %w", c.id, h.unlessHurried(err))
	}
	return nil
}

// replace makes next's guest the new version of c.
func (h *Host) replace(ctx context.Context, c, next *component) error {
	c.firstTimers(next.guests())
	h.emit(Event{Kind: EventReplacing, Component: c.id}, "engine", next.deployment.Engine, "source", next.deployment.Source.Path)
	err := h.startUp(ctx, next)
	if err == nil {
		err = c.acquireCrew(ctx)
	}
	acquired := err == nil
	if acquired {
		err = cmp.Or(ctx.Err(), h.hurried.Err()) // Stop may have interrupted the call that c was in
	}
	if err == nil {
		h.waits.hold(c.guests(), next)
		err = c.passState(next)
		h.waits.release(c.guests())
	}
	if err != nil {
		h.emit(Event{Kind: EventRolledBack, Component: c.id, Reason: err})
		if acquired {
			c.giveCrewFree()
		}
		return errors.Join(err, h.removeCrew(ctx, next, next.refusals.notFound))
	}
	before := c.reserved
	c.reserved, next.reserved = next.reserved, 0
	old := c.takeOver(next)
	h.topics.set(c, c.deployment.Subscribe)
	h.epoch.Add(1)
	h.emit(Event{Kind: EventReplaced, Component: c.id})
	h.waits.changed()
	c.giveCrewFree()
	defer c.budget.release(before)
	return h.removeAll(ctx, old)
}

// putBeside enters a component that nobody can message: a version that starts or ends
// beside the one that is deployed. remove ends it.
func (h *Host) putBeside(c *component) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serial++
	c.slotHint = h.serial
	c.life.leftBehind = h.hurried.Err() != nil // Stop may have looked already
	h.beside[c] = struct{}{}
}

func (h *Host) isBeside(c *component) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, beside := h.beside[c]
	return beside
}

// takeOver gives c next's guests, and returns components with c's old ones. The caller owns all
// of them. Stop may know each, so its lock is held where its guest changes.
func (c *component) takeOver(next *component) (old []*component) {
	guests, before := next.guests(), c.deployment
	c.sender.log.Flush()
	c.mu.Lock()
	c.limits, c.deployment = next.limits, next.deployment
	c.refusals.tooLarge, c.refusals.response = next.refusals.tooLarge, next.refusals.response
	c.sched.mailbox.setLimits(c.limits)
	c.sched.accept = next.sched.accept
	c.reopenLocked()
	c.sender.quota.set(c.deployment.Quota)
	c.sender.log = next.sender.log
	c.mu.Unlock()
	old = c.setGuests(guests, before)
	if next.crew != nil {
		c.host.forgetBeside(next, c) // its members are c's
	}
	return old
}

// version is a guest with its instance.
type version struct {
	compiled *code
	traits   core.Traits
	services *services
	ledger   *core.Ledger
	instance core.Instance
	health   core.HealthStatus
	due      duty
}

// takeVersionLocked takes c's guest away from it, so that c keeps nothing of it alive. The
// owner calls it.
func (c *component) takeVersionLocked() version {
	v := version{c.compiled, c.traits, c.guest.services, c.guest.ledger, c.life.instance, c.life.health, c.life.due}
	c.compiled, c.guest, c.life.instance, c.life.canExchange = nil, guestCalls{}, nil, false
	return v
}

// setVersionLocked makes a guest c's. The owner calls it.
func (c *component) setVersionLocked(v version) {
	c.compiled, c.traits = v.compiled, v.traits
	c.guest.services, c.guest.ledger = v.services, v.ledger
	c.guest.services.component.Store(c)
	c.life.instance, c.life.health = v.instance, v.health
	c.life.due = v.due | duty(v.services.wished.Load()) // later wishes come to c
	c.life.canExchange = c.exchanges()
	c.guest.batch = newBatching(c, c.life.instance)
	c.call.allowed = c.watched(c.limits.HandlerTime)
}

// forgetFormer forgets those versions of which no request is pending. The owner calls it.
func (c *component) forgetFormer() {
	c.life.former = slices.DeleteFunc(c.life.former, func(f *component) bool {
		f.mu.Lock()
		over := f.sender.pending == 0
		f.mu.Unlock()
		if over {
			c.host.tracker.Remove(f) // ids that it has reserved
		}
		return over
	})
}

// cancelOfFormer cancels a request that a former version of c sent before it was
// deployed.
func (c *component) cancelOfFormer(id core.RequestID) bool {
	for _, f := range c.life.former {
		if c.host.tracker.Cancel(id, f) {
			f.mu.Lock()
			f.sender.pending--
			f.mu.Unlock()
			return true
		}
	}
	return false
}

// removeRequests makes the tracker forget c's requests, and returns their ids. The owner
// calls it.
func (c *component) removeRequests() []core.RequestID {
	ids := c.host.tracker.Remove(c)
	for _, f := range c.life.former {
		sent := c.host.tracker.Remove(f)
		f.mu.Lock()
		f.sender.pending -= len(sent) // f may be the front, which is alone again some day
		f.mu.Unlock()
		ids = append(ids, sent...)
	}
	c.life.former = nil
	return ids
}

// forgetBeside forgets a component whose guest another one has taken, or has set aside. Its
// counts are those of heir. The caller owns both.
func (h *Host) forgetBeside(c, heir *component) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	c.sched.become(removed)
	c.deployment.Source = core.Source{} // as in remove: c is kept for a while
	stopTimer(c.life.supervisor.timer)
	stopTimer(c.life.healthTimer)
	called := counts{callCounts: c.published.callCounts}
	c.settleCallsLocked(&called)
	publications := c.takePublicationsLocked()
	c.mu.Unlock()
	heir.mu.Lock()
	heir.counts.add(&c.counts)
	heir.publishLocked()
	heir.published.callCounts.add(&called.callCounts)
	heir.addPublicationsLocked(publications)
	heir.mu.Unlock()
	c.leaveBudget()
	delete(h.beside, c)
	close(c.gone)
}

// reopenLocked makes a component that has failed, or waits for a restart, one that runs.
// The owner calls it.
func (c *component) reopenLocked() {
	stopTimer(c.life.supervisor.timer)
	c.life.supervisor, c.life.due = supervisor{}, 0
	c.admitLocked()
}
