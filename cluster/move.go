package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// moveTime is how long a component may take to move.
	moveTime = time.Minute
	// moveAgain is the pause after a move that has failed, before a component moves to a better host.
	moveAgain = 10 * time.Second
	// askTime is how long a host waits for the answer of another one.
	askTime = 2 * time.Second
)

// target is where a component moves to.
type target struct{ host, session, move string }

var (
	errNobody = errors.New("no other host that lives can run it")
	errLost   = errors.New("this host has lost its claim meanwhile")
)

// balanceLocked returns a move of a component to the host that it belongs to, or nil. Hosts that come
// get their part so.
func (c *Controller) balanceLocked(p *placed, now time.Time) action {
	if c.stopping || c.lease.draining || !c.view.complete || now.Before(p.balanced) || now.Sub(c.view.changed) < balanceAfter(c.config.Lease) {
		return nil
	}
	host := Choose(p.id, c.view.candidates(p.id, ""))
	if host == "" || host == c.config.Host {
		return nil
	}
	select {
	case c.moves <- struct{}{}:
	default:
		return nil
	}
	return func(ctx context.Context, p *placed) {
		defer func() { <-c.moves }()
		if err := c.move(ctx, p, host); err != nil {
			c.log.Warn("component did not move to the host that it belongs to, it goes on here", "component", p.id.String(), "to", host, "reason", err.Error())
		}
	}
}

// move moves a component to another host. After an error it runs here as before, or this host has
// lost its claim.
func (c *Controller) move(ctx context.Context, p *placed, host string) error {
	ctx, cancel := context.WithTimeout(ctx, moveTime)
	defer cancel()
	c.mu.Lock()
	to := target{host: host, move: rand.Text()}
	if h := c.view.hosts[host]; h != nil {
		to.session = h.Session
	}
	p.abandon = cancel
	err := error(nil)
	if !c.holds(p.claim.Session) {
		err = errLost // before it could be abandoned
	}
	c.mu.Unlock()
	handed := false
	if err == nil {
		err = c.ask(ctx, to, ask{Op: opPrepare, ID: p.id.String(), Move: to.move}, nil)
	}
	if err == nil {
		err = c.config.Runner.MoveAway(ctx, p.id, func(ctx context.Context, m *core.Moving) error {
			err := c.hand(ctx, p, to, m)
			handed = err == nil
			return err
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.abandon = nil
	if handed {
		p.running, p.reason = false, nil
		c.log.Info("component moved", "component", p.id.String(), "to", host)
		return nil // errors after that do not bring the component back
	}
	p.balanced = time.Now().Add(moveAgain)
	return err
}

// hand gives a component that does not run now to another host, which starts it. A nil error says
// that the component is not this host's any more.
func (c *Controller) hand(ctx context.Context, p *placed, to target, m *core.Moving) error {
	data, err := m.MarshalBinary()
	if err != nil {
		return err
	}
	size := max(1, c.config.Hosts.MaxAsk()-askSlack)
	for rest := data; len(rest) > 0; {
		n := min(size, len(rest))
		if err := c.ask(ctx, to, ask{Op: opPart, ID: p.id.String(), Move: to.move, Size: len(data)}, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if err := c.pass(ctx, p, to); err != nil {
		return err
	}
	c.mu.Lock()
	p.abandon = nil // the messages that wait follow the component, for as long as they may
	c.mu.Unlock()
	return c.awaitStart(ctx, p, to)
}

// pass makes a component's claim one of the other host. A write with an unknown outcome is written
// again: it can succeed once only.
func (c *Controller) pass(ctx context.Context, p *placed, to target) error {
	c.mu.Lock()
	before, lives := p.claim, c.view.lives(to.host, to.session)
	next := claimValue{
		Host: to.host, Session: to.session, Fence: max(before.Fence, c.highest[p.id]) + 1, Floor: before.Floor, Move: to.move,
		FromHost: c.config.Host, FromSession: before.Session,
	}
	c.mu.Unlock()
	if !lives { // it would be free for all, and its messages could not follow it in order
		return fmt.Errorf("host %s has lost its lease meanwhile", to.host)
	}
	for c.holds(before.Session) {
		revision, won, err := c.write(context.WithoutCancel(ctx), claimKey(p.id), next, before.revision)
		switch {
		case won:
			c.mu.Lock()
			defer c.mu.Unlock()
			p.wrote = revision
			return nil
		case err == nil: // it was written before, or another host was faster
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.Lease)
			defer cancel()
			var claim claimView
			err := c.wait(within, func() bool { claim = c.view.claims[p.id]; return claim.revision > before.revision })
			if err == nil && claim.Move == to.move {
				return nil
			}
			return errLost
		}
		c.sleep(ctx, retry)
	}
	return errLost
}

// sleep waits until d is over or ctx has ended.
func (c *Controller) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// awaitStart waits until the other host has started the component. A nil error says that the
// component is not this host's any more: the claim says so. If the other host cannot start
// it, or dies before it has said that it did, this host takes it back.
func (c *Controller) awaitStart(ctx context.Context, p *placed, to target) error {
	c.mu.Lock()
	mine := p.claim.Session
	c.mu.Unlock()
	for ctx.Err() == nil && c.holds(mine) {
		err := c.ask(ctx, to, ask{Op: opStart, ID: p.id.String(), Move: to.move}, nil)
		if err == nil {
			return nil
		}
		c.mu.Lock()
		claim, complete := c.view.claims[p.id], c.view.complete
		next := c.view.next(claim, c.config.Host, mine)
		waits := !complete || claim.revision <= p.claim.revision || c.view.owned(claim) && claim.Move == to.move
		back := claim.Host == c.config.Host && claim.Session == mine && !claim.Free
		free := !c.view.owned(claim)
		c.mu.Unlock()
		switch {
		case waits:
			c.sleep(ctx, retry)
			continue
		case free:
			if claim, back = c.claim(ctx, p, next, claim.revision); !back {
				continue
			}
		case !back:
			return nil // another host has it
		}
		c.config.Fences.Own(p.id, claim.Fence, claim.Floor, func() bool { return c.holds(mine) })
		c.mu.Lock()
		p.claim = claim
		c.mu.Unlock()
		return err
	}
	return nil
}

// ask asks another host.
func (c *Controller) ask(ctx context.Context, to target, a ask, data []byte) error {
	within, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := c.config.Hosts.Ask(within, to.host, encodeAsk(a, data))
	if err != nil {
		return fmt.Errorf("host %s does not answer: %w", to.host, err)
	}
	var got reply
	switch err := json.Unmarshal(answer, &got); {
	case err != nil:
		return fmt.Errorf("host %s: %w", to.host, err)
	case got.Error != "":
		return fmt.Errorf("host %s: %s", to.host, got.Error)
	case got.Wait:
		return fmt.Errorf("host %s has not started it yet", to.host)
	}
	return nil
}
