package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/airhost/airhost/core"
)

// ErrNeedsReplacement is wrapped by the error of [Host.Update] for what only a replacement
// can change.
var ErrNeedsReplacement = errors.New("only a replacement can change it")

// Restart ends the instance of a component and makes a fresh one; of several instances one
// after the other, while the others go on. It also brings a component back that has failed.
// Messages that wait are kept, and so are requests that are pending. An instance is shut down
// after its call in progress. Restart blocks until the new ones have been initialized, or
// until ctx ends: then a start is cut off, but no call of an old instance.
//
// If a new instance cannot start, the error is that of [Host.Deploy], and the restart policy
// decides about the next attempt.
func (h *Host) Restart(ctx context.Context, id core.ComponentID) error {
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	c, err := h.change(ctx, id)
	if err != nil {
		return fmt.Errorf("restart of %s: %w", id, err)
	}
	defer h.changed(c)
	var errs []error
	for _, guest := range c.guests() {
		errs = append(errs, guest.restart(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("restart of %s: %w", id, h.unlessHurried(err))
	}
	return nil
}

// restart makes a fresh instance in place of c's.
func (c *component) restart(ctx context.Context) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	return errors.Join(c.shutDown(), c.startAgain(ctx))
}

// startAgain makes a fresh instance of a component whose instance has been closed, and gives
// the component up. The caller owns it.
func (c *component) startAgain(ctx context.Context) error {
	c.forgetBeforeStart()
	c.mu.Lock()
	c.cancelTimersLocked()
	c.reopenLocked() // from now on messages wait
	c.mu.Unlock()
	c.returnToCrew()
	c.counts.Restarts++
	err := c.host.startUp(ctx, c)
	c.mu.Lock()
	if err != nil {
		c.instanceEndedLocked(err)
	}
	c.publishLocked()
	c.mu.Unlock()
	if err == nil {
		c.host.emit(Event{Kind: EventRestarted, Component: c.id})
	}
	c.giveFree()
	return err
}

// Update changes the settings of a component that need no other instance: the number of
// instances and their spread, capabilities, subscriptions, quota but for message_size, accept, mailbox,
// mailbox_bytes, log limits, restart policy, health interval and Required. d is the whole
// deployment. A Source without a value stands for the one that is deployed. Messages that wait
// stay in the mailbox, also if they are more than the new limits allow. Instances that stay go on.
// Those that are too many are shut down, first those that have failed; others get the
// outcomes of their requests. The change is made between calls: Update blocks until more
// instances have been initialized, then until the calls in progress have ended, and then
// until those that are too many have been shut down, or until ctx ends.
//
// The error for other differences wraps [ErrNeedsReplacement] and names them. If more
// instances cannot start, the error is that of [Host.Deploy]. Nothing has changed then.
func (h *Host) Update(ctx context.Context, d Deployment) error {
	if err := cmp.Or(d.notMoving(), d.normalize()); err != nil {
		return err
	}
	if err := h.checkFiles(&d); err != nil {
		return err
	}
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	c, err := h.change(ctx, d.ID)
	if err != nil {
		return fmt.Errorf("update of %s: %w", d.ID, err)
	}
	defer h.changed(c)
	if err := c.update(ctx, d); err != nil {
		return fmt.Errorf("update of %s: %w", d.ID, h.unlessHurried(err))
	}
	return nil
}

func (c *component) update(ctx context.Context, d Deployment) error {
	if err := c.deployment.updatable(&d); err != nil { // only the holder of c.changes changes it
		return err
	}
	if err := c.host.enforced(&d, c.traits); err != nil {
		return err
	}
	grows := max(0, d.memory()-c.reserved)
	if err := c.budget.reserve(grows); err != nil {
		return err
	}
	more, err := c.startMore(ctx, d)
	if len(more) > 0 {
		front := more[0].post.front // they send by its quota until they are c's, also in their shutdown
		defer front.budget.leave(&front.sender.quota)
	}
	if err == nil {
		err = c.acquireCrew(ctx)
	}
	if err != nil {
		defer c.budget.release(grows)
		return errors.Join(err, c.host.removeAll(ctx, more))
	}
	taken := c.reserved + grows
	c.reserved = d.memory()
	defer c.budget.release(taken - c.reserved)
	old := c.applyUpdate(d, more)
	c.host.topics.set(c, d.Subscribe)
	c.host.epoch.Add(1)
	c.host.emit(Event{Kind: EventUpdated, Component: c.id})
	c.host.waits.changed()
	c.giveCrewFree()
	return c.host.removeAll(ctx, old)
}

// applyUpdate gives c its new settings and instances. It returns components with those that are
// too many. The caller owns all of them.
func (c *component) applyUpdate(d Deployment, more []*component) (old []*component) {
	before := c.deployment
	stay, others := c.choose(d.Instances)
	for _, guest := range others {
		guest.cancelTimers()
	}
	c.sender.log.Flush()
	c.sender.log = core.NewLogQuota(d.Limits.LogLines, d.Limits.LogBytes, c.logDropped)
	for _, guest := range append(stay, c) {
		guest.set(d)
	}
	old = c.setGuests(append(stay, more...), before)
	for _, guest := range c.guests() {
		guest.sender.log = c.sender.log
	}
	return old
}

// set sets what an update changes. The caller owns c.
func (c *component) set(d Deployment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits, c.deployment = d.Limits, d
	c.sched.mailbox.setLimits(c.limits)
	if c.post == nil {
		c.sched.accept = newAccept(d.Accept, c.host.clock)
		c.sender.quota.set(d.Quota)
	}
}

// startMore starts as many more instances of c's guest as d wants. The caller owns them, also
// after an error, and makes their front leave the budget.
func (c *component) startMore(ctx context.Context, d Deployment) (more []*component, err error) {
	guests := c.guests()
	if n := d.Instances - len(guests); n > 0 {
		shared, err := guests[0].shareCode()
		if err != nil {
			return nil, err
		}
		front := newComponent(c.host, d) // until the end of the update
		more = c.host.newMembers(front, n, shared)
		_ = shared.Close(ctx) // the members use it
		front.setCrew(more)
		front.budget.join(&front.sender.quota)
		c.firstTimers(more)
	}
	return more, c.host.startAll(ctx, more)
}

// choose returns the first n of c's guests, and the others. Those that have failed come last.
func (c *component) choose(n int) (first, others []*component) {
	guests := c.guests()
	slices.SortStableFunc(guests, func(a, b *component) int { return cmp.Compare(a.failures(), b.failures()) })
	n = min(n, len(guests))
	return guests[:n:n], guests[n:]
}

// failures is 1 for a member that has failed.
func (c *component) failures() int {
	if c.post != nil && c.post.failed {
		return 1
	}
	return 0
}

// Change is the least change of a running component that makes another deployment of it.
type Change uint8

// The changes.
const (
	NoChange         Change = iota // the deployments are the same, apart from how defaults are given
	NeedsUpdate                    // [Host.Update]
	NeedsReplacement               // [Host.Replace]
)

// ChangeTo returns the change that makes next of d. It does not look into files: a source that is
// a path is the same if the path is. A deployment that is wrong needs a replacement, which
// says why.
func (d Deployment) ChangeTo(next Deployment) Change {
	if d.normalize() != nil || next.normalize() != nil || d.updatable(&next) != nil {
		return NeedsReplacement
	}
	next.Source, next.given = d.Source, d.given
	if reflect.DeepEqual(d, next) {
		return NoChange
	}
	return NeedsUpdate
}

// updatable reports whether an update can make d next. It completes next's source.
func (d *Deployment) updatable(next *Deployment) error {
	if reflect.ValueOf(next.Source).IsZero() {
		next.Source = d.Source
	}
	secrets := slices.EqualFunc(d.Secrets, next.Secrets, Secret.same)
	if secrets {
		next.Secrets = d.Secrets // a host has read them
	}
	fixed := next.Limits // without those that an update changes
	fixed.Mailbox, fixed.MailboxBytes, fixed.LogLines, fixed.LogBytes = d.Limits.Mailbox, d.Limits.MailboxBytes, d.Limits.LogLines, d.Limits.LogBytes
	var differs []error
	for _, part := range []struct {
		name string
		same bool
	}{
		{"engine", d.Engine == next.Engine}, {"source", sameSource(d.Source, next.Source)},
		{"config", slices.Equal(d.Config, next.Config)}, {"secrets", secrets}, {"env", slices.Equal(d.Env, next.Env)}, {"args", slices.Equal(d.Args, next.Args)}, {"limits", d.Limits == fixed}, {"delivery", d.Delivery == next.Delivery},
		{"capabilities.files", !addsFiles(d.Capabilities.Files, next.Capabilities.Files)},
	} {
		if !part.same {
			differs = append(differs, fmt.Errorf("%s: %w", part.name, ErrNeedsReplacement))
		}
	}
	return errors.Join(differs...)
}

// sameSource reports whether two sources are the same code. Functions are the same if
// their code is.
func sameSource(a, b core.Source) bool {
	return a.Path == b.Path && bytes.Equal(a.Code, b.Code) && bytes.Equal(a.SHA256, b.SHA256) && sameValue(reflect.ValueOf(a.Value), reflect.ValueOf(b.Value))
}

func sameValue(a, b reflect.Value) bool {
	switch {
	case a.IsValid() != b.IsValid():
		return false
	case !a.IsValid():
		return true
	case a.Type() != b.Type():
		return false
	case a.Kind() == reflect.Func:
		return a.Pointer() == b.Pointer()
	}
	if !a.Comparable() {
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
	return a.Equal(b)
}
