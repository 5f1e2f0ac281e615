package host

import (
	"context"
	"math"
	"time"

	"github.com/airhost/airhost/core"
)

// supervisor decides when a component whose instance has ended is started
// again. The component's lock guards it.
type supervisor struct {
	restarts core.Restarts
	due      bool        // the next to run the component starts it
	timer    *time.Timer // sets due
	reason   error       // of the last end
}

// ended buries an instance that has ended, with c.mu held; the owner calls it.
func (c *component) ended(reason error) {
	c.counts.Traps++
	instance := c.instance
	c.instance, c.relayer, c.overdue, c.prompt = nil, nil, false, false
	reason = boundError(reason)
	c.supervisor.reason = reason
	c.mu.Unlock()
	if instance != nil {
		_ = instance.Close() // what it held is gone either way
	}
	c.host.emit(Event{Kind: EventEnded, Component: c.id, Reason: reason})
	c.mu.Lock()

	pause, again := c.supervisor.restarts.Next(c.plan.Restart, c.host.clock.Exact())
	switch {
	case !again:
		c.fail()
	case pause == 0:
		c.supervisor.due = true
	default:
		c.supervisor.timer = time.AfterFunc(pause, c.restartDue)
	}
}

// restartDue has a worker start the component.
func (c *component) restartDue() {
	c.mu.Lock()
	c.supervisor.due = true
	ready := c.status == down
	if ready {
		c.status = queued
	}
	c.mu.Unlock()
	if ready {
		c.host.workers.push(&c.waiting)
	}
}

// restart makes a fresh instance, with c.mu held; the owner calls it.
func (c *component) restart() {
	c.supervisor.due = false
	c.mu.Unlock()
	c.counts.Restarts++
	err := c.launch(c.host.background)
	if err == nil {
		c.host.emit(Event{Kind: EventRestarted, Component: c.id})
	}
	c.mu.Lock()
	if err != nil {
		c.ended(err)
	}
	c.publish()
}

// launch makes an instance and initializes it, for both of which there is one time;
// the owner calls it.
func (c *component) launch(ctx context.Context) error {
	began := c.host.clock.Exact()
	instance, err := c.compiled.Instantiate(ctx, core.Environment{
		ID: c.id, Host: c, Limits: c.limits,
		Starting: func(instance core.Instance) { c.start(instance, began) },
		Ended:    c.askHealth,
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
	err = c.leave(instance.Initialize(c.plan.Config))
	if err != nil {
		_ = instance.Close()
		return err
	}
	c.mu.Lock()
	c.instance, c.relayer = instance, c.asRelayer(instance)
	c.mu.Unlock()
	c.batch = newBatching(c, instance)
	return nil
}

// start begins a call of what has its start's time, since began.
func (c *component) start(instance core.Instance, began time.Duration) {
	c.mu.Lock()
	c.allowed = c.watched(max(0, c.limits.StartTime-(c.host.clock.Exact()-began)))
	c.mu.Unlock()
	c.enter(instance)
}

// watched returns after which time the watchdog interrupts a call that may take so
// long: never, where the engine itself ends it.
func (c *component) watched(time time.Duration) time.Duration {
	if c.traits.CountsRunningTime {
		return math.MaxInt64
	}
	return time
}

// enter begins a call outside the mailbox, under the watchdog. What is abandoned
// runs no guest code any more.
func (c *component) enter(instance core.Instance) {
	c.mu.Lock()
	c.instance = instance
	if c.abandoned || c.cut {
		c.interrupt()
	}
	c.begin()
}

// leave ends a call begun by enter, and takes the instance out of the
// watchdog's sight. It returns err, or that the call was interrupted.
func (c *component) leave(err error) error {
	err = boundError(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.overdue && err == nil {
		err = &core.TrapError{Kind: core.TrapHandler, Text: "stopped at the end of its call"}
	}
	c.calling, c.overdue, c.prompt, c.instance = false, false, false, nil
	c.allowed = c.watched(c.limits.HandlerTime)
	c.publish()
	return err
}

// fail gives the component up, with c.mu held; the owner calls it.
func (c *component) fail() {
	reason := c.supervisor.reason
	c.mu.Unlock()
	c.close(c.refuse.down)
	c.host.emit(Event{Kind: EventFailed, Component: c.id, Reason: reason},
		"hint", "it ended more often than its restart policy allows; undeploy and deploy it to try again")
	c.mu.Lock()
}

// close refuses all messages from now on, ends those that wait for the same
// reason, and forgets the component's own requests; the owner calls it.
func (c *component) close(refusal *core.MessagingError) {
	c.mu.Lock()
	c.closed = refusal
	c.taking.Store(false)
	if c.kept != nil {
		c.host.watch.giveUp(c.kept)
		c.kept = nil
	}
	entries := c.mailbox.queue
	c.mailbox = newMailbox(c.limits)
	stopTimer(c.supervisor.timer)
	stopTimer(c.healthTimer)
	c.mu.Unlock()
	for entries.length > 0 {
		e := entries.pop()
		if e.outcome {
			c.host.tally.orphans.Add(1)
			e.message.Release()
			continue
		}
		c.host.undeliverable(e.message, core.Undelivered(refusal))
	}
	c.forgetRequests()
}

// forgetRequests ends the component's own requests without their callbacks.
func (c *component) forgetRequests() {
	if n := len(c.host.tracker.Remove(c)); n > 0 {
		c.host.tally.orphans.Add(uint64(n))
		c.host.givenUp.Add(1)
	}
	c.out.reserved = nil
}

// checkHealth asks the guest for its health, with c.mu held; the owner calls it.
func (c *component) checkHealth() {
	c.healthDue = false
	c.begin()
	health, err := c.instance.Health()
	if err == nil && health == core.HealthUnhealthy && c.plan.Restart.Policy == RestartPermanent {
		err = &core.TrapError{Kind: core.TrapFault, Text: "it reported to be unhealthy"}
	}
	c.end(err)
	if err == nil && health != c.health {
		c.health = health
		c.mu.Unlock()
		c.host.emit(Event{Kind: EventHealth, Component: c.id, Health: health})
		c.mu.Lock()
	}
	c.scheduleHealth()
}

// scheduleHealth has the guest asked for its health once the interval has
// passed, with c.mu held.
func (c *component) scheduleHealth() {
	if c.plan.HealthInterval <= 0 || c.closed != nil {
		return
	}
	stopTimer(c.healthTimer)
	c.healthTimer = time.AfterFunc(c.plan.HealthInterval, c.askHealth)
}

// askHealth has the guest asked for its health soon, which is how an instance
// that has ended on its own is found.
func (c *component) askHealth() {
	c.mu.Lock()
	c.healthDue = true
	c.wake()
}
