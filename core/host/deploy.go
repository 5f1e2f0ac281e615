package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/airhost/airhost/core"
)

// Deploy compiles a guest, starts it and gives it messages. It blocks until the
// guest has been initialized: for as long as compilation takes, then until a place
// is free among the guests that start at the same time, and at most its
// [core.Limits] StartTime for the guest's own steps, in which it is interrupted when ctx
// ends. Messages that the guest sends while it is initialized go out. Those that are sent to
// it, also by itself, wait until that has ended. When Deploy fails nothing is left of the
// component.
//
// Its errors are [DeploymentError], but for a wrong Deployment. For errors.Is: [ErrNotRunning] before Start and after Stop;
// [ErrInvalidDeployment], with core.ErrOutOfRange or core.ErrInvalidID where that is
// why; [ErrAlreadyDeployed]; [ErrUnknownEngine]; core.ErrModuleRefused, a
// [core.ModuleError] that names the problems, with core.ErrLimitExceeded where the
// code, or the engine, has no place for a limit; [ErrLimitNotEnforced] where the
// Deployment sets a limit that the engine does not keep ([core.Traits] Enforces). A
// guest that fails to start is a [core.TrapError], one that refuses in initialize a
// [core.ComponentError]. Then there are ctx's error, core.ErrClosed of an engine
// that is closed, and the broker's.
func (h *Host) Deploy(ctx context.Context, d Deployment) error {
	if err := h.normalize(&d); err != nil {
		return err
	}
	c := newComponent(h, d)
	if err := h.admit(c); err != nil {
		return &DeploymentError{d.ID, err}
	}
	defer h.begun(c)
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	if err := h.compileAndBringUp(ctx, c); err != nil {
		return h.notDeployed(ctx, c, err)
	}
	return nil
}

// DeploymentError says which component could not be deployed, and why.
type DeploymentError struct {
	Component core.ComponentID
	Err       error
}

// Error implements error.
func (e *DeploymentError) Error() string {
	return fmt.Sprintf("deployment of %s: %v", e.Component, e.Err)
}

// Unwrap returns Err.
func (e *DeploymentError) Unwrap() error { return e.Err }

// notDeployed removes a component that could not be deployed, and returns why.
func (h *Host) notDeployed(ctx context.Context, c *component, why error) error {
	return &DeploymentError{c.id, errors.Join(h.unlessHurried(why), h.removeCrew(ctx, c, c.refusals.notFound))}
}

// admit enters c in the host's list if its id is free, locks its changes, and adds one to
// h.changes.
func (h *Host) admit(c *component) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != stateRunning {
		return ErrNotRunning
	}
	if h.components[c.id] != nil {
		return fmt.Errorf("%w; undeploy it first", ErrAlreadyDeployed)
	}
	if err := c.joinBudget(); err != nil {
		return err
	}
	h.serial++
	c.slotHint = h.serial
	h.components[c.id] = c
	h.changes.Add(1)
	c.changes <- struct{}{} // nobody else knows it
	return nil
}

func (h *Host) compileAndBringUp(ctx context.Context, c *component) error {
	compiled, err := h.compile(ctx, c.deployment)
	if err != nil {
		return err
	}
	c.setCompiled(compiled)
	if c.moving == nil { // else its messages go to its former host until it has started
		if err = h.attach(c); err != nil {
			return err
		}
	}
	return h.bringUp(ctx, c)
}

// bringUp starts a component that has been attached, or moves here. The caller owns it until
// bringUp has succeeded.
func (h *Host) bringUp(ctx context.Context, c *component) error {
	if err := h.startUp(ctx, c); err != nil {
		return err
	}
	if c.moving != nil {
		if err := h.arrive(c); err != nil {
			return err
		}
	}
	h.emit(Event{Kind: EventDeployed, Component: c.id}, "engine", c.deployment.Engine, "source", c.deployment.Source.Path)
	if c.life.arrival == nil { // else begin does so
		c.giveCrewFree()
	}
	return nil
}

// startUp makes c's first instance and initializes it, or its members'. The caller owns c.
func (h *Host) startUp(ctx context.Context, c *component) error {
	if c.crew != nil {
		return h.startAll(ctx, c.crew.members)
	}
	if err := h.places.enter(ctx, c); err != nil {
		return err
	}
	defer h.places.leave(c)
	slot := h.watch.acquire(c)
	defer slot.release()
	defer c.returnLease()
	return c.launchUntil(ctx)
}

// giveFree gives up a component that the caller has changed.
func (c *component) giveFree() {
	c.mu.Lock()
	c.scheduleHealthLocked()
	c.yieldAndUnlock(nil)
}

// setCompiled gives c its guest, and members for several instances. The caller owns c.
func (c *component) setCompiled(compiled core.Component) {
	shared := newCode(compiled)
	n := c.deployment.Instances
	if n == 1 {
		c.setCode(shared)
		return
	}
	members := c.host.newMembers(c, n, shared)
	_ = shared.Close(c.host.background) // the members use it
	c.firstTimers(members)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traits = members[0].traits
	c.setCrewLocked(members)
}

func (c *component) setCode(compiled *code) {
	traits := compiled.Traits()
	c.guest.services = newServices(c)
	if traits.KeepsLedger && !c.budget.limitsTime() {
		c.guest.ledger = core.NewLedger(c.guest.services.reconcile)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compiled, c.traits = compiled, traits
}

// launchUntil is launch that ctx cuts off: it interrupts the call in progress.
func (c *component) launchUntil(ctx context.Context) error {
	launching := true // c.mu guards it
	cut := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.life.startCut = launching; launching && c.call.inProgress {
			c.interruptLocked()
		}
	})
	err := c.launch(ctx)
	cut()
	c.mu.Lock()
	launching, c.life.startCut = false, false
	c.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("its start was cut off: %w", context.Cause(ctx))
	}
	return err
}

// attach lets messages come in.
func (h *Host) attach(c *component) error {
	h.local.add(c) // before: whoever finds the way to it finds it itself
	if err := h.attachToBroker(c); err != nil {
		h.local.remove(c)
		return fmt.Errorf("attach to the broker: %w", boundError(unlessStopping(err)))
	}
	if r, err := h.broker.Route(c.id); err == nil && (r == core.Receiver(c) || c.deployment.Delivery == DeliveryDurable) {
		h.direct.add(c) // for requests alone
	}
	if c.life.arrival == nil { // else its former host has its publications
		h.topics.set(c, c.deployment.Subscribe)
	}
	h.epoch.Add(1)
	return nil
}

// attachToBroker lets messages come in from the broker.
func (h *Host) attachToBroker(c *component) error {
	switch {
	case c.life.arrival != nil:
		return h.broker.(core.Mover).Arrive(c.id, c, c.deployment.Delivery == DeliveryDurable)
	case c.deployment.Delivery == DeliveryDurable:
		return h.broker.(core.DurableBroker).AttachDurable(c.id, c) // normalize has seen that it is one
	}
	return h.broker.Attach(c.id, c)
}

// detach undoes attach.
func (h *Host) detach(c *component) {
	h.topics.set(c, nil)
	h.broker.Detach(c.id)
	h.direct.remove(c)
	h.local.remove(c)
	h.epoch.Add(1)
}

// Undeploy removes a component: requests that wait in its mailbox end with
// target-not-found, other messages become dead letters, its own requests are forgotten,
// its timers canceled. It waits for the call in progress until ctx ends, and then leaves
// the component as it was. Any other error is of the engine's: the component has been
// removed nevertheless.
//
// A component written in Go must not undeploy itself: it would wait for its own
// call to end.
func (h *Host) Undeploy(ctx context.Context, id core.ComponentID) error {
	c, err := h.change(ctx, id)
	if err != nil {
		return fmt.Errorf("undeployment of %s: %w", id, err)
	}
	defer h.changed(c)
	if err := c.acquireCrew(ctx); err != nil {
		return fmt.Errorf("undeployment of %s: %w", id, err)
	}
	err = h.removeCrew(ctx, c, c.refusals.notFound)
	h.emit(Event{Kind: EventUndeployed, Component: id, Reason: err})
	if err != nil {
		return fmt.Errorf("undeployment of %s: %w", id, err)
	}
	return nil
}

// change returns the component of an id when nobody else changes it. The caller calls
// changed when it has changed it.
func (h *Host) change(ctx context.Context, id core.ComponentID) (*component, error) {
	c, err := h.changing(id)
	if err != nil {
		return nil, err
	}
	if err = c.changes.lock(ctx); err != nil {
		h.changes.Done()
		return nil, fmt.Errorf("somebody else is changing it: %w", h.unlessHurried(err))
	}
	if isClosed(c.gone) {
		h.changed(c)
		return nil, h.unlessHurried(c.refusals.notFound)
	}
	return c, nil
}

func (h *Host) changed(c *component) {
	c.changes.unlock()
	h.changes.Done()
}

// changing returns the component of an id, and adds one to h.changes.
func (h *Host) changing(id core.ComponentID) (*component, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != stateRunning {
		return nil, ErrNotRunning
	}
	c := h.components[id]
	if c == nil {
		return nil, &core.MessagingError{Case: core.CaseTargetNotFound, Text: id.String()}
	}
	h.changes.Add(1)
	return c, nil
}

// errBusy is returned where a component is being deployed, stopped or removed by
// another goroutine.
var errBusy = errors.New("the component is being deployed or removed by somebody else")

// acquire makes the caller c's owner once its call in progress has ended.
func (c *component) acquire(ctx context.Context) error {
	c.mu.Lock()
	if c.sched.status == claimed || c.sched.status == removed || c.sched.wish.claimed() {
		c.mu.Unlock()
		return errBusy
	}
	if c.sched.status != running {
		c.claimLocked()
		c.pauseAndUnlock()
		return nil
	}
	claim := make(chan struct{})
	c.wishLocked().claim = claim
	w := c.sched.worker
	c.mu.Unlock()
	if w != nil {
		w.chain.breakUp() // it may hold c for other components
	}
	select {
	case <-claim:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sched.wish == nil || c.sched.wish.claim != claim {
		return nil // it came in the same moment
	}
	c.sched.wish.claim = nil
	c.dropWishLocked()
	return fmt.Errorf("its call has not ended: %w", ctx.Err())
}

// remove ends a component that its caller owns: messages that wait for it, and those
// that may still come, end with refusal; its guest is shut down; its counters stay in
// the host's sums. The error is the engine's.
func (h *Host) remove(ctx context.Context, c *component, refusal *core.MessagingError) error {
	if !h.isBeside(c) {
		h.detach(c)
	}
	c.close(refusal)
	err := c.shutDown()
	c.forgetRequests() // those that it has sent at its shutdown
	c.returnLease()
	if c.compiled != nil {
		err = errors.Join(err, boundError(c.compiled.Close(ctx)))
	}
	c.sender.log.Flush()
	defer h.waits.changed()
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publishLocked() // its last log lines have changed the counts
	c.sched.become(removed)
	c.takeVersionLocked() // routes, and the worker that ran c last, keep c for a while
	c.deployment.Source = core.Source{}
	h.gone.add(&c.published)
	c.leaveBudget()
	c.settleCallsLocked(&h.gone)
	h.topics.gone += c.takePublicationsLocked()
	if h.components[c.id] == c {
		delete(h.components, c.id)
	}
	delete(h.beside, c)
	close(c.gone)
	return err
}

// shutDown calls the guest's shutdown and closes the instance; the owner calls
// it.
func (c *component) shutDown() error {
	c.mu.Lock()
	instance := c.life.instance
	c.mu.Unlock()
	if instance == nil {
		return nil
	}
	_ = c.host.places.enter(c.host.background, c) // there will be a place: the calls that have one end
	defer c.host.places.leave(c)
	slot := c.host.watch.acquire(c)
	defer slot.release()
	c.enter(instance)
	if err := c.leave(instance.Shutdown()); err != nil {
		attrs := append([]any{"component", c.id.String(), "reason", err.Error()}, lastWords(err)...)
		c.host.log.Log(c.host.background, slog.LevelError, "shutdown failed", attrs...)
	}
	return c.host.bounds.error(instance.Close())
}
