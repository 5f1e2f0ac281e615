package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

// run looks after each change, and from time to time, for something to do, until ctx ends.
func (c *Controller) run(ctx context.Context) {
	look := time.NewTicker(lookEvery(c.config.Lease))
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-c.wake:
		case <-ctx.Done():
			return
		}
		c.step(ctx, time.Now())
	}
}

// step begins all that is to be done now.
func (c *Controller) step(ctx context.Context, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.lease.Load(); h != nil && !c.holds(h.session) {
		c.loseLocked("it could not be renewed in time")
	}
	if c.isBlindLocked(now) {
		c.log.Debug("the directory tells of no changes, it is asked anew")
		c.lease.unseen = 0
		c.rewatch()
	}
	session := c.session()
	if session != "" && c.view.complete {
		c.deposeLocked(ctx, now)
	}
	for id, p := range c.placed {
		if p.busy || now.Before(p.notBefore) {
			continue
		}
		switch do := c.nextLocked(p, session, now); {
		case do != nil:
			c.beginLocked(ctx, p, do)
		case p.removed && !p.running && (session == "" || c.view.complete):
			delete(c.placed, id)
			c.tellLocked()
		}
	}
}

// action is something that is done for a component, without the lock.
type action func(ctx context.Context, p *placed)

// beginLocked does something for a component on a goroutine of its own.
func (c *Controller) beginLocked(ctx context.Context, p *placed, do action) {
	p.busy = true
	c.work.Go(func() {
		select {
		case c.slots <- struct{}{}:
			do(ctx, p)
			<-c.slots
		case <-ctx.Done():
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		p.busy = false
		c.tellLocked()
	})
}

// nextLocked returns the next thing to do for a component, or nil.
func (c *Controller) nextLocked(p *placed, session string, now time.Time) action {
	claim := c.view.claims[p.id]
	mine := session != "" && claim.Host == c.config.Host && claim.Session == session && !claim.Free
	switch {
	case claim.revision < p.wrote:
		return nil // the directory tells soon
	case p.running:
		return c.nextOfRunningLocked(p, session, now, mine)
	case session == "" || !c.view.complete:
		return nil
	case mine && (p.removed || c.stopping || now.Before(p.blocked)):
		return func(ctx context.Context, p *placed) { c.release(ctx, p, claim) }
	case mine:
		return func(ctx context.Context, p *placed) { c.startUnder(ctx, p, claim) }
	case c.mayTakeLocked(p, claim, now):
		return func(ctx context.Context, p *placed) { c.take(ctx, p, claim, session) }
	}
	return nil
}

// nextOfRunningLocked is nextLocked for a component that this host runs. mine says that the claim in
// the directory is this host's.
func (c *Controller) nextOfRunningLocked(p *placed, session string, now time.Time, mine bool) action {
	switch {
	case p.claim.Session != session:
		return c.stopLost
	case c.view.claims[p.id].revision > p.claim.revision && !mine:
		return c.stopLost // another host has the claim
	case p.removed:
		return c.giveUp
	}
	return c.balanceLocked(p, now)
}

// mayTakeLocked reports whether this host is to claim a component.
func (c *Controller) mayTakeLocked(p *placed, claim claimView, now time.Time) bool {
	switch {
	case p.removed || c.stopping || c.lease.draining || now.Before(p.blocked):
		return false
	case c.view.owned(claim) || now.Sub(c.view.came) < settle(c.config.Lease):
		return false
	}
	return Choose(p.id, c.view.candidates(p.id, "")) == c.config.Host
}

// deposeLocked ends the leases of hosts that have not renewed them. It is done once a host: all
// that it had claimed is free then.
func (c *Controller) deposeLocked(ctx context.Context, now time.Time) {
	for name, h := range c.view.hosts {
		if name == c.config.Host || !h.over(now) {
			continue
		}
		value, last := h.hostValue, h.revision
		value.Gone = true
		h.seen = now.Add(retry - time.Duration(h.Lease)*time.Millisecond) // not again at once
		c.work.Go(func() {
			if _, won, err := c.write(ctx, hostPrefix+part(name), value, last); err == nil && won {
				c.log.Warn("the lease of a host is over: others run its components with place: any", "host", name)
			}
		})
	}
}

// take claims a component and starts it.
func (c *Controller) take(ctx context.Context, p *placed, before claimView, session string) {
	c.mu.Lock()
	next := c.view.next(before, c.config.Host, session)
	if highest := c.highest[p.id]; next.Fence <= highest { // the directory was lost
		next.Fence, next.Floor = highest+1, highest+1
	}
	c.mu.Unlock()
	if claim, won := c.claim(ctx, p, next, before.revision); won {
		c.startUnder(ctx, p, claim)
	}
}

// claim writes the claim of a component. Where it did not, there is a pause, in which the directory
// tells why.
func (c *Controller) claim(ctx context.Context, p *placed, next claimValue, last uint64) (claimView, bool) {
	revision, won, err := c.write(ctx, claimKey(p.id), next, last)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || !won {
		p.notBefore = time.Now().Add(retry)
		return claimView{}, false
	}
	p.wrote = revision
	c.highest[p.id] = max(c.highest[p.id], next.Fence)
	return claimView{next, revision}, true
}

// startUnder starts a component under a claim of this host.
func (c *Controller) startUnder(ctx context.Context, p *placed, claim claimView) {
	var moving *core.Moving
	err := error(nil)
	if claim.Move != "" {
		moving, err = c.unstage(claim.Move, p.id)
	}
	if !c.holds(claim.Session) {
		return // it is not this host's any more
	}
	if err == nil {
		c.config.Fences.Own(p.id, claim.Fence, claim.Floor, func() bool { return c.holds(claim.Session) })
		err = c.config.Runner.Start(ctx, p.id, moving)
	}
	c.mu.Lock()
	p.reason = err
	if err == nil {
		p.running, p.claim, p.failures = true, claim, 0
		c.startedLocked(claim.Move)
		c.mu.Unlock()
		return
	}
	p.blocked = time.Now().Add(min(lastBlock, firstBlock<<min(p.failures, 10)))
	p.failures++
	stopping := c.stopping
	c.mu.Unlock()
	if stopping || ctx.Err() != nil {
		return
	}
	c.log.Error("component did not start here, another host may", "component", p.id.String(), "reason", err.Error())
	c.kickLease()
	if claim.FromSession != "" {
		c.handBack(ctx, p, claim, err)
		return
	}
	c.release(ctx, p, claim)
}

// release gives up a claim of this host of a component that does not run.
func (c *Controller) release(ctx context.Context, p *placed, claim claimView) {
	free := claimValue{Host: claim.Host, Session: claim.Session, Fence: claim.Fence, Floor: claim.Floor, Free: true}
	c.claim(ctx, p, free, claim.revision)
}

// stopLost stops a component after this host has lost its claim.
func (c *Controller) stopLost(ctx context.Context, p *placed) {
	if c.stop(ctx, p) {
		c.log.Info("component stopped: this host has no claim for it any more", "component", p.id.String())
	}
}

// stop stops a component.
func (c *Controller) stop(ctx context.Context, p *placed) bool {
	err := c.config.Runner.Stop(ctx, p.id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		p.reason, p.notBefore = fmt.Errorf("it could not be stopped: %w", err), time.Now().Add(retry)
		return false
	}
	p.running, p.reason = false, nil
	return true
}

// giveUp stops a component that is to be forgotten, and gives up its claim.
func (c *Controller) giveUp(ctx context.Context, p *placed) {
	c.mu.Lock()
	claim := p.claim
	c.mu.Unlock()
	if c.stop(ctx, p) {
		c.release(ctx, p, claim)
	}
}
