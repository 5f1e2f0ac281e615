package host

import (
	"bytes"
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

// Restart ends the instance of a component and makes a fresh one. It also brings a component
// back that has failed. Messages that wait are kept, and so are requests that are pending.
// The instance is shut down after its call in progress. Restart blocks until the new one
// has been initialized, or until ctx ends: then the start is cut off, but no call of the
// old instance.
//
// If the new instance cannot start, the error is that of [Host.Deploy], and the restart
// policy decides about the next attempt.
func (h *Host) Restart(ctx context.Context, id core.ComponentID) error {
	ctx, cancel := h.untilHurry(ctx)
	defer cancel()
	c, err := h.change(ctx, id)
	if err != nil {
		return fmt.Errorf("restart of %s: %w", id, err)
	}
	defer h.changed(c)
	if err := c.acquire(ctx); err != nil {
		return fmt.Errorf("restart of %s: %w", id, err)
	}
	err = c.shutDown()
	if startError := c.startAgain(ctx); startError != nil {
		err = errors.Join(err, startError)
	}
	if err != nil {
		return fmt.Errorf("restart of %s: %w", id, h.unlessHurried(err))
	}
	return nil
}

// startAgain makes a fresh instance of a component whose instance has been closed, and gives
// the component up. The caller owns it.
func (c *component) startAgain(ctx context.Context) error {
	c.mu.Lock()
	c.life.instance = nil
	c.cancelTimersLocked()
	c.reopenLocked() // from now on messages wait
	c.mu.Unlock()
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

// Update changes the settings of a component that need no other instance: capabilities,
// quota but for message_size, accept, mailbox, mailbox_bytes, log limits, restart policy and
// health interval. d is the whole deployment. A Source without a value stands for the one that is
// deployed. What waits in a mailbox stays there, also if it is more than the new limits
// allow. The change is made between two calls: Update blocks until the call in progress has
// ended, or until ctx ends.
//
// The error for other differences wraps [ErrNeedsReplacement] and names them. Nothing has
// changed then.
func (h *Host) Update(ctx context.Context, d Deployment) error {
	if err := d.normalize(); err != nil {
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
	if err := d.enforced(c.traits); err != nil {
		return err
	}
	if err := c.acquire(ctx); err != nil {
		return err
	}
	c.sender.log.Flush()
	c.mu.Lock()
	c.limits, c.deployment = d.Limits, d
	c.sched.mailbox.setLimits(c.limits)
	c.sched.accept = newAccept(d.Accept, c.host.clock)
	c.hasRoom.Store(c.roomLocked())
	c.sender.quota.set(d.Quota)
	c.sender.log = core.NewLogQuota(d.Limits.LogLines, d.Limits.LogBytes, c.logDropped)
	c.mu.Unlock()
	c.host.epoch.Add(1)
	c.host.emit(Event{Kind: EventUpdated, Component: c.id})
	c.giveFree()
	return nil
}

// updatable reports whether an update can make d next. It completes next's source.
func (d *Deployment) updatable(next *Deployment) error {
	if reflect.ValueOf(next.Source).IsZero() {
		next.Source = d.Source
	}
	fixed := next.Limits // without those that an update changes
	fixed.Mailbox, fixed.MailboxBytes, fixed.LogLines, fixed.LogBytes = d.Limits.Mailbox, d.Limits.MailboxBytes, d.Limits.LogLines, d.Limits.LogBytes
	var differs []error
	for _, part := range []struct {
		name string
		same bool
	}{
		{"engine", d.Engine == next.Engine}, {"source", sameSource(d.Source, next.Source)},
		{"config", slices.Equal(d.Config, next.Config)}, {"limits", d.Limits == fixed},
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
	return a.Path == b.Path && bytes.Equal(a.Code, b.Code) && sameValue(reflect.ValueOf(a.Value), reflect.ValueOf(b.Value))
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
	return a.Comparable() && a.Equal(b)
}
