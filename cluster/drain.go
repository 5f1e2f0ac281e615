package cluster

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/airhost/airhost/core"
)

// Moved is a component that has left this host, or could not.
type Moved struct {
	ID   core.ComponentID
	Host string // that it has moved to, or should have
	Err  error  // why it goes on here
	Left int    // how many are still to move
}

// Drain moves all components with "place: any" to other hosts, and takes no more, until Undrain. It
// calls tell after each one, one call at a time. One that cannot move goes on here. When ctx ends no
// other begins to move.
func (c *Controller) Drain(ctx context.Context, tell func(Moved)) error {
	c.setDraining(true)
	if err := c.wait(ctx, func() bool { return c.isTold(true) }); err != nil {
		return err
	}
	all, err := c.runningNow(ctx)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	left := len(all)
	for _, p := range all {
		work.Go(func() {
			c.moves <- struct{}{}
			m, moved := c.leaveFor(ctx, p)
			<-c.moves
			mu.Lock()
			defer mu.Unlock()
			left--
			if m.Left = left; moved {
				tell(m)
			}
		})
	}
	work.Wait()
	return ctx.Err()
}

// Undrain has this host take components again.
func (c *Controller) Undrain(ctx context.Context) error {
	c.setDraining(false)
	return c.wait(ctx, func() bool { return c.isTold(false) })
}

func (c *Controller) setDraining(draining bool) {
	c.mu.Lock()
	c.lease.draining = draining
	c.mu.Unlock()
	c.kickLease()
}

// Draining reports whether this host takes no components, and if so whether some are still on it: those
// that have not moved yet, or could not.
func (c *Controller) Draining() (draining, left bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.placed {
		left = left || p.running || p.busy
	}
	return c.lease.draining, left
}

// isTold reports whether the directory says if this host is draining, and it has a lease.
func (c *Controller) isTold(draining bool) bool {
	h := c.view.hosts[c.config.Host]
	return c.view.complete && h != nil && h.Draining == draining && c.session() == h.Session
}

// runningNow returns the components that run when nothing is begun any more.
func (c *Controller) runningNow(ctx context.Context) (all []*placed, err error) {
	err = c.wait(ctx, func() bool {
		all = nil
		for _, p := range c.placed {
			switch {
			case p.busy:
				return false
			case p.running:
				all = append(all, p)
			}
		}
		return true
	})
	slices.SortFunc(all, func(a, b *placed) int { return strings.Compare(a.id.String(), b.id.String()) })
	return all, err
}

// leaveFor moves a component to the host that it belongs to without this one. It reports whether that
// was to be done: it may have stopped meanwhile.
func (c *Controller) leaveFor(ctx context.Context, p *placed) (m Moved, was bool) {
	m.ID = p.id
	reserved := false
	m.Err = c.wait(ctx, func() bool {
		if p.busy {
			return false
		}
		reserved = p.running
		p.busy = reserved
		return true
	})
	if m.Err != nil || !reserved {
		return m, m.Err != nil
	}
	c.mu.Lock()
	m.Host = Choose(p.id, c.view.candidates(p.id, c.config.Host))
	c.mu.Unlock()
	if m.Err = errNobody; m.Host != "" {
		m.Err = c.move(ctx, p, m.Host)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.busy = false
	c.tellLocked()
	return m, true
}
