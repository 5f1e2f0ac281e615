package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// ErrNotJoined is wrapped by the error of [Host.MoveAway] if the host's broker is no
// [core.Mover].
var ErrNotJoined = errors.New("the host's broker joins no hosts between which components can move")

// outcomesTime is how long a component that moves waits for the outcomes of its requests.
const outcomesTime = 5 * time.Second

// MoveAway moves a component to another host, with its state, its timers, and the messages that
// wait for it.
//
// The component ends its call in progress and handles no message any more. It waits for the
// outcomes of the requests that it has sent and handles them: for 5 s at most, and for half of
// the time that ctx has left. Outcomes that come later are dropped and count as orphans. Then
// it saves its state, if it exports component-state and has one instance, as in a replacement.
//
// hand makes another host of the same broker deploy the component ([Deployment.Moving]), and
// returns nil when that host has done so. After an error of hand no other host may have it. What
// hand gets is its own; ctx ends with MoveAway's, or when Stop is in a hurry. After hand's success
// the messages that wait here follow, in their order, and so do those that come meanwhile. While
// the way there has no room, or no connection, they wait until ctx ends: those that are left then
// are dead letters. Requests keep their requesters, also those of other hosts: their outcomes
// come by this host. Messages that timers have sent and that wait move as timers that are due, and
// count as expired here. At last the guest is shut down and the component removed.
//
// The component's messages of one sender stay in order, but for those that another host sends in
// the moment in which both hosts have the component. A publication of that moment may not reach
// it. Functions that it provides, and that are called meanwhile, may end with unavailable.
//
// If hand fails, or ctx ends before, or the state cannot be saved, the component goes on here with
// its timers and messages, and the error says why. An error of its end comes after the move;
// [Event] EventMoved tells the two apart. A component that is not deployed is a
// [core.MessagingError] of the case target-not-found. Several changes of a component come one
// after the other.
func (h *Host) MoveAway(ctx context.Context, id core.ComponentID, hand func(ctx context.Context, m *core.Moving) error) error {
	mover, joins := h.broker.(core.Mover)
	if !joins {
		return fmt.Errorf("move of %s: %w: use the broker nats", id, ErrNotJoined)
	}
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	c, err := h.change(ctx, id)
	if err != nil {
		return fmt.Errorf("move of %s: %w", id, err)
	}
	defer h.changed(c)
	if err := c.moveAway(ctx, mover, hand); err != nil {
		return fmt.Errorf("move of %s: %w", id, h.unlessHurried(err))
	}
	return nil
}

func (c *component) moveAway(ctx context.Context, mover core.Mover, hand func(context.Context, *core.Moving) error) error {
	h := c.host
	way, err := mover.Leaving(c.id)
	if err != nil {
		return boundError(unlessStopping(err))
	}
	if err := c.acquireCrew(ctx); err != nil {
		way.Stay()
		return err
	}
	way.Handing()
	h.emit(Event{Kind: EventMoving, Component: c.id})
	if err := c.handOut(ctx, hand); err != nil {
		way.Stay()
		h.emit(Event{Kind: EventRolledBack, Component: c.id, Reason: err})
		c.giveCrewFree()
		return err
	}
	way.Leave()
	for _, guest := range c.withMembers() {
		guest.cancelTimers()
	}
	c.follow(ctx, &departure{h, way})
	err = h.removeCrew(ctx, c, c.refusals.notFound)
	h.emit(Event{Kind: EventMoved, Component: c.id, Reason: err})
	return err
}

// handOut collects all that c takes along, and makes another host run c. The caller owns c with its
// members.
func (c *component) handOut(ctx context.Context, hand func(context.Context, *core.Moving) error) error {
	m, err := c.pack(ctx)
	if err == nil {
		err = cmp.Or(ctx.Err(), c.host.hurried.Err()) // Stop may have interrupted a call
	}
	if err != nil {
		return err
	}
	return hand(ctx, m)
}

// pack waits for the outcomes of c's requests, and collects all that c takes along. The caller owns
// c with its members.
func (c *component) pack(ctx context.Context) (*core.Moving, error) {
	limit := outcomesTime
	if deadline, limited := ctx.Deadline(); limited {
		limit = min(limit, time.Until(deadline)/2)
	}
	soon, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, guest := range c.guests() {
		guest.awaitOutcomes(soon)
	}
	m := new(core.Moving)
	if c.crew == nil && c.life.instance != nil && c.traits.State {
		state, err := c.save()
		if err != nil {
			return nil, fmt.Errorf("save: %w", err)
		}
		m.State, m.HasState = state, true
	}
	for _, guest := range c.withMembers() {
		guest.packTimers(m)
	}
	slices.SortStableFunc(m.Timers, func(a, b core.MovedTimer) int { return cmp.Compare(a.Left, b.Left) })
	return m, nil
}

// withMembers returns c and its members.
func (c *component) withMembers() []*component {
	if c.crew == nil {
		return []*component{c}
	}
	return append(c.guests(), c)
}

// awaitOutcomes handles the outcomes of c's requests until all have come, or ctx ends. The
// owner calls it.
func (c *component) awaitOutcomes(ctx context.Context) {
	slot := c.host.watch.acquire(c)
	defer slot.release()
	for pause := newPause(); c.handleOutcomes() && pause.wait(ctx); {
	}
}

// handleOutcomes handles the outcomes that have come, and reports whether others may come. The
// owner calls it.
func (c *component) handleOutcomes() (more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.countDroppedLocked()
	for outcomes := c.sched.mailbox.takeOutcomes(); len(outcomes) > 0; outcomes = outcomes[1:] {
		if c.life.instance == nil || c.life.leftBehind || c.pauses() {
			for _, e := range outcomes {
				c.sched.mailbox.push(e)
			}
			return false
		}
		c.handleOutcomeLocked(outcomes[0])
	}
	return c.sender.pending > 0
}

// packTimers adds c's timers to m. The owner calls it.
func (c *component) packTimers(m *core.Moving) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.LastTimer = max(m.LastTimer, c.timers.last)
	for i := range c.sched.mailbox.length {
		if e := c.sched.mailbox.at(i); e.timer {
			m.Timers = append(m.Timers, core.MovedTimer{Payload: slices.Clone(e.message.Payload)})
		}
	}
	now := c.host.clock.Exact()
	running := slices.Collect(maps.Values(c.timers.running))
	slices.SortFunc(running, func(a, b *timer) int { return a.compare(b) })
	for _, t := range running {
		m.Timers = append(m.Timers, core.MovedTimer{ID: t.id, Left: max(0, t.due-now), Payload: slices.Clone(t.payload)})
	}
}
