package host

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/airhost/airhost/core"
)

// supervisor decides when a component is started again after its instance has ended.
// The component's lock guards it.
type supervisor struct {
	restarts core.Restarts
	due      bool          // the next worker that runs the component starts it
	timer    *time.Timer   // sets due
	reason   error         // of the last end
	ended    time.Duration // when that was, on the host's clock
}

// instanceEndedLocked closes an instance that has ended, and decides about the next
// one. The owner calls it. It releases c.mu meanwhile.
func (c *component) instanceEndedLocked(reason error) {
	c.counts.Traps++
	instance := c.life.instance
	late := c.call.late
	c.life.instance, c.life.canExchange, c.call.interrupted, c.call.fast, c.call.late = nil, false, false, false, false
	c.cancelTimersLocked()
	reason = c.host.bounds.error(reason)
	c.life.supervisor.reason, c.life.supervisor.ended = reason, c.host.clock.Exact()
	c.life.supervisor.due = false // a timer that was stopped may have made it due
	c.mu.Unlock()
	if instance != nil {
		_ = instance.Close() // its memory is gone either way
	}
	c.host.emit(Event{Kind: EventEnded, Component: c.id, Reason: reason})
	c.host.waits.changed()
	c.mu.Lock()

	plan := c.deployment.Restart
	pause, failed := plan.Backoff, false // an end that is the machine's fault does not count
	if !late || plan.Policy == RestartTemporary {
		pause, failed = c.life.supervisor.restarts.Next(plan, c.host.clock.Exact())
	}
	if failed {
		c.failLocked(pause)
	}
	switch {
	case pause == core.NoRestart:
	case pause == 0:
		c.life.supervisor.due = true
	default:
		c.life.supervisor.timer = time.AfterFunc(pause, c.restartDue)
	}
}

// restartDue queues the component, for a worker to start it.
func (c *component) restartDue() {
	c.mu.Lock()
	c.life.supervisor.due = c.crew == nil // otherwise it has got company since: its members restart
	wakes := c.sched.status == down
	if wakes {
		c.sched.become(queued)
	}
	c.mu.Unlock()
	if wakes {
		c.host.workers.push(&c.entries.queued)
	}
}

// restartIfDueLocked is restartLocked, if a restart is due and nothing stands against it. The
// owner calls it.
func (c *component) restartIfDueLocked() {
	if c.life.supervisor.due && !c.sched.wish.claimed() && !c.life.leftBehind && !c.pauses() {
		c.restartLocked()
	}
}

// restartLocked makes a fresh instance. The owner calls it. It releases c.mu
// meanwhile.
func (c *component) restartLocked() {
	c.life.supervisor.due = false
	c.mu.Unlock()
	c.forgetBeforeStart()
	c.counts.Restarts++
	err := c.launch(c.host.background)
	if err == nil {
		c.host.emit(Event{Kind: EventRestarted, Component: c.id})
	}
	c.mu.Lock()
	if err != nil {
		c.instanceEndedLocked(err)
	} else if c.sched.closed != nil {
		c.admitLocked()
		c.scheduleHealthLocked()
	}
	c.publishLocked()
	if err == nil {
		c.mu.Unlock()
		c.returnToCrew()
		c.mu.Lock()
	}
}

// admitLocked lets messages in again, if the component had failed. The owner calls it.
func (c *component) admitLocked() {
	if c.sched.closed == c.refusals.down {
		c.sched.closed = nil
		c.countDroppedLocked()
	}
	c.hasRoom.Store(c.roomLocked())
}

// countDroppedLocked takes the outcomes that came while c was closed off its pending requests,
// and adds those of others' requests that wait for c. The owner calls it, or whoever finds
// c down.
func (c *component) countDroppedLocked() {
	c.sender.pending -= c.life.dropped
	c.life.dropped = 0
}

// launch makes an instance and initializes it. Limits.StartTime is for both. The
// owner calls it.
func (c *component) launch(ctx context.Context) error {
	began := c.host.clock.Exact()
	instance, err := c.compiled.Instantiate(ctx, core.Environment{
		ID: c.id, Host: c.guest.services, Timers: c.guest.services, Functions: c.guest.services, KeyValue: c.guest.services, HTTP: c.guest.services, Settings: c.guest.services, Files: c.files(),
		Publisher: c.guest.services,
		Limits:    c.limits, Ledger: c.guest.ledger,
		Variables: c.deployment.Env, Arguments: c.deployment.Args,
		Starting: func(instance core.Instance) { c.start(instance, began) },
		Ended:    c.guest.services.askHealth,
		Wanted:   c.guest.services.askTurn,
	})
	if err = c.leave(err); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if instance != nil {
			_ = instance.Close()
		}
		return err
	}
	c.start(instance, began)
	err = c.leave(instance.Initialize(c.deployment.Config))
	if err != nil {
		_ = instance.Close()
		return err
	}
	c.mu.Lock()
	c.life.instance, c.life.canExchange = instance, c.exchanges()
	c.mu.Unlock()
	c.guest.batch = newBatching(c, instance)
	return nil
}

// start begins a call that is part of a start, which began at the time given.
func (c *component) start(instance core.Instance, began time.Duration) {
	c.mu.Lock()
	c.call.allowed = c.watched(max(0, c.limits.StartTime-(c.host.clock.Exact()-began)))
	c.call.starting = true
	c.mu.Unlock()
	c.enter(instance)
}

// watched returns how long the watchdog lets a call run that may take limit: for ever
// if the engine itself ends it.
func (c *component) watched(limit time.Duration) time.Duration {
	if c.traits.CountsRunningTime {
		return math.MaxInt64
	}
	return limit
}

// enter begins a call outside the mailbox, under the watchdog. A component that was
// left behind runs no guest code any more.
func (c *component) enter(instance core.Instance) {
	c.mu.Lock()
	c.life.instance = instance
	if c.life.leftBehind || c.life.startCut {
		c.interruptLocked()
	}
	c.beginCallAndUnlock()
}

// leave ends a call begun by enter, and hides the instance from the watchdog. It
// returns err, or an error that says that the call was interrupted.
func (c *component) leave(err error) error {
	err = c.host.bounds.error(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.budget != nil {
		c.noteEndLocked()
	}
	if c.call.interrupted && err == nil {
		err = &core.TrapError{Kind: core.TrapHandler, Text: "stopped at the end of its call"}
	}
	c.call.inProgress, c.call.interrupted, c.call.fast, c.life.instance = false, false, false, nil
	c.call.allowed, c.call.starting = c.watched(c.limits.HandlerTime), false
	c.publishLocked()
	return err
}

// failLocked gives the component up until pause is over. The owner calls it. It releases
// c.mu meanwhile.
func (c *component) failLocked(pause time.Duration) {
	reason := c.life.supervisor.reason
	c.mu.Unlock()
	outcomes := c.shut(c.refusals.down)
	if c.post != nil && c.leaveCrew() {
		for _, m := range outcomes {
			c.mu.Lock()
			c.passOnAndUnlock(m)
		}
		c.host.log.Log(c.host.background, slog.LevelError, "an instance failed, others go on", "component", c.id.String(),
			"reason", reason.Error(), "hint", failedHint(pause))
		c.host.waits.changed()
		c.mu.Lock()
		return
	}
	c.forget(outcomes)
	c.host.emit(Event{Kind: EventFailed, Component: c.id, Reason: reason, Required: c.deployment.Required},
		"hint", failedHint(pause))
	c.host.waits.changed()
	c.mu.Lock()
}

func failedHint(pause time.Duration) string {
	if pause == core.NoRestart {
		return "its restart policy allows no other start; restart or replace it to try again"
	}
	return fmt.Sprintf("it ended more often than its restart policy allows; it is started again in %v (restart.cool_down), or when it is restarted or replaced", pause)
}

// close refuses all messages from now on, ends those that wait for the same reason,
// cancels the component's timers, and forgets its own requests. The owner calls it.
func (c *component) close(refusal *core.MessagingError) { c.forget(c.shut(refusal)) }

// shut is close, but for the component's own requests. It returns the outcomes that wait.
func (c *component) shut(refusal *core.MessagingError) (outcomes []*core.Message) {
	c.mu.Lock()
	c.countDroppedLocked()
	c.sched.closed = refusal
	c.hasRoom.Store(false)
	c.giveUpSlotLocked()
	c.cancelTimersLocked()
	entries := c.sched.mailbox.queue
	c.sched.mailbox = newMailbox(c.limits)
	stopTimer(c.life.supervisor.timer)
	stopTimer(c.life.healthTimer)
	c.mu.Unlock()
	for entries.length > 0 {
		e := entries.pop()
		if e.outcome {
			outcomes = append(outcomes, e.message)
			continue
		}
		c.host.undeliverable(e.message, core.Undelivered(refusal))
	}
	return outcomes
}

// forget drops outcomes, and ends the component's own requests without their callbacks.
func (c *component) forget(outcomes []*core.Message) {
	for _, m := range outcomes {
		c.dropOutcome(m)
	}
	c.forgetRequests()
}

// forgetRequests ends the component's own requests without their callbacks.
func (c *component) forgetRequests() {
	if n := len(c.removeRequests()); n > 0 {
		c.sender.pending -= n
		c.host.counts.orphans.Add(uint64(n))
		c.host.givenUp.Add(1)
	}
	c.sender.ids, c.sender.used = nil, 0
}

// giveUpSlotLocked gives up the watch slot that c keeps.
func (c *component) giveUpSlotLocked() {
	if c.call.ownSlot != nil {
		c.host.watch.giveUp(c.call.ownSlot)
		c.call.ownSlot = nil
	}
}

// checkHealthLocked asks the guest for its health. The owner calls it. It releases
// c.mu meanwhile.
func (c *component) checkHealthLocked() {
	c.beginDutyLocked(dueHealth)
	c.beginCallAndUnlock()
	health, err := c.life.instance.Health()
	if err == nil && health == core.HealthUnhealthy && c.deployment.Restart.Policy == RestartPermanent {
		err = &core.TrapError{Kind: core.TrapFault, Text: "it reported to be unhealthy"}
	}
	c.lockAndEndCall(err)
	if err == nil && health != c.life.health {
		c.life.health = health
		c.mu.Unlock()
		c.host.emit(Event{Kind: EventHealth, Component: c.id, Health: health})
		c.mu.Lock()
	}
	c.scheduleHealthLocked()
}

// scheduleHealthLocked starts the timer of the next health check.
func (c *component) scheduleHealthLocked() {
	stopTimer(c.life.healthTimer)
	if c.crew != nil || c.deployment.HealthInterval <= 0 || c.sched.closed != nil {
		return
	}
	c.life.healthTimer = time.AfterFunc(c.deployment.HealthInterval, c.askHealth)
}

// askHealth makes a worker check the guest's health soon. This is how the host finds
// an instance that has ended on its own.
func (c *component) askHealth() { c.askFor(dueHealth) }
