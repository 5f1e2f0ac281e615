package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core/host"
)

// make makes the changes of a plan that was checked: first those that add, replace and update,
// then the ways in, then those that remove. An addition or a replacement that found no room in a
// budget is tried again at the end.
func (s *Service) make(ctx context.Context, p *plan, progress func(admin.Progress)) {
	s.addAll(ctx, p, progress)
	each(p.changes, (*change).isPlaced, progress, func(c *change) error { return s.changePlaced(ctx, c) })
	changes := func(c *change) bool { return (c.action == replace || c.action == update) && !c.isPlaced() }
	each(p.changes, changes, progress, func(c *change) error { return s.change(ctx, c) })
	s.changeWays(ctx, p)
	removes := func(c *change) bool { return c.action == remove && c.old.failure == nil && !c.isPlaced() }
	each(p.changes, removes, progress, func(c *change) error { return s.Host.Undeploy(ctx, c.id) })
	again := func(c *change) bool { return errors.Is(c.err, host.ErrBudgetExceeded) && !c.isPlaced() }
	each(p.changes, again, progress, func(c *change) error { return s.change(ctx, c) })
	s.settle(p)
}

// change makes a change that is no removal. It compiles the guest if that was used before.
func (s *Service) change(ctx context.Context, c *change) error {
	prepared := c.next.prepared
	c.next.prepared = nil
	switch {
	case c.action == update:
		return s.Update(ctx, c.next.deployment)
	case c.action == add:
		return s.Deploy(ctx, c.next.deployment)
	case prepared != nil:
		return prepared.Replace(ctx)
	}
	return s.Replace(ctx, c.next.deployment)
}

// addAll deploys the components that are new, together, so that they may message each other from
// the beginning.
func (s *Service) addAll(ctx context.Context, p *plan, progress func(admin.Progress)) {
	var all []*unit
	for _, c := range p.changes {
		if c.action == add && !c.isPlaced() {
			all = append(all, c.next)
			progress(admin.Progress{ID: c.id.String(), Step: "changing"})
		}
	}
	began := time.Now()
	s.deployPrepared(ctx, all)
	for _, c := range p.changes {
		if c.action == add && !c.isPlaced() {
			c.err = c.next.failure
			progress(c.outcome(began))
		}
	}
}

// each calls do for those of the changes that it is meant for, as many at a time as there are
// processors, and notes the errors.
func each(changes []*change, meant func(*change) bool, progress func(admin.Progress), do func(*change) error) {
	changes = slices.DeleteFunc(slices.Clone(changes), func(c *change) bool { return !meant(c) })
	AtOnce(len(changes), func(i int) {
		c, began := changes[i], time.Now()
		progress(admin.Progress{ID: c.id.String(), Step: "changing"})
		c.err = do(c)
		progress(c.outcome(began))
	})
}

// outcome is the last step of a change.
func (c *change) outcome(began time.Time) admin.Progress {
	p := admin.Progress{ID: c.id.String(), Step: "changed", Seconds: time.Since(began).Seconds()}
	if c.err != nil {
		p.Step, p.Error = "failed", c.err.Error()
	}
	return p
}

// settle notes the components that run now.
func (s *Service) settle(p *plan) {
	failed := make(map[*unit]*change)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range p.changes {
		switch {
		case c.action == remove && !errors.Is(c.err, context.Canceled):
			delete(s.units, c.id) // other errors come after the removal
		case c.err != nil && c.next != nil:
			failed[c.next] = c
		}
	}
	for _, u := range p.units {
		c := failed[u]
		if c != nil && c.action == add {
			u.fail(c.err)
		} else {
			u.failure = nil // a second try may have succeeded
		}
		if c == nil || c.action == add {
			if old := s.units[u.deployment.ID]; old != nil && old != u {
				u.standby, old.standby = old.standby, nil
			}
			s.units[u.deployment.ID] = u
		}
	}
}
