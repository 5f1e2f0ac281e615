package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
)

// staged is a component that another host hands over, as far as it has come.
type staged struct {
	id   core.ComponentID
	data []byte
	made time.Time
	done bool // it was started, or could not be
	err  error
}

const (
	// maxMoving bounds the things that components bring at the same time, and maxStaged the components.
	maxMoving = 256 << 20
	maxStaged = 64
	// stagedTime is how long a host knows of a hand-over.
	stagedTime = 2 * moveTime
	// askSlack is more than all of a request that is not its data.
	askSlack = 1 << 10
)

// answer answers another host.
func (c *Controller) answer(ctx context.Context, request []byte) []byte {
	a, data, err := decodeAsk(request)
	var id core.ComponentID
	if err == nil {
		id, err = core.ParseComponentID(a.ID)
	}
	got := reply{}
	if err == nil {
		switch a.Op {
		case opPrepare:
			err = c.prepare(id, a.Move)
		case opPart:
			err = c.part(a.Move, a.Size, data)
		case opStart:
			got.Wait, err = c.started(ctx, a.Move)
		default:
			err = errAsk
		}
	}
	got.Error = text(err)
	answer, err := json.Marshal(got)
	if err != nil {
		return nil // it does not fail
	}
	return answer
}

// prepare reports whether a component may come.
func (c *Controller) prepare(id core.ComponentID, move string) error {
	session, now := c.session(), time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	arriving := 0
	for name, s := range c.staged {
		if now.Sub(s.made) > stagedTime {
			delete(c.staged, name)
		} else if !s.done {
			arriving++
		}
	}
	p := c.placed[id]
	switch {
	case session == "" || !c.view.complete:
		return errors.New("it has no lease")
	case c.stopping || c.lease.draining:
		return errors.New("it takes no components any more")
	case p == nil || p.removed:
		return fmt.Errorf("it has no component %s", id)
	case now.Before(p.blocked):
		return fmt.Errorf("%s did not start on it: %w", id, p.reason)
	case p.running || p.busy:
		return fmt.Errorf("it is busy with %s", id)
	case arriving >= maxStaged:
		return errors.New("too many components come to it at the same time")
	}
	c.staged[move] = &staged{id: id, made: now}
	return nil
}

// part takes a part of a component that arrives.
func (c *Controller) part(move string, size int, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.staged[move]
	switch {
	case s == nil:
		return errors.New("the time of the hand-over is over")
	case size > maxMoving || len(s.data)+len(data) > size:
		return fmt.Errorf("it takes %d bytes at most", maxMoving)
	case c.arrivingLocked()+len(data) > maxMoving:
		return errors.New("too much comes to it at the same time")
	}
	s.data = append(s.data, data...)
	return nil
}

// arrivingLocked is the size of all that has come of components that do not run yet.
func (c *Controller) arrivingLocked() (size int) {
	for _, s := range c.staged {
		size += len(s.data)
	}
	return size
}

// started waits until a component that was handed over was started. It reports whether that is not
// decided yet.
func (c *Controller) started(ctx context.Context, move string) (wait bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime/2)
	defer cancel()
	if c.wait(ctx, func() bool {
		s := c.staged[move]
		if s == nil {
			err = errors.New("the time of the hand-over is over")
			return true
		}
		err = s.err
		return s.done
	}) != nil {
		return true, nil
	}
	return false, err
}

// unstage returns the things that a component has brought.
func (c *Controller) unstage(move string, id core.ComponentID) (*core.Moving, error) {
	data, there := c.takeStaged(move, id)
	if !there {
		return nil, errors.New("what it brings from its host has not come")
	}
	m := new(core.Moving)
	return m, m.UnmarshalBinary(data)
}

func (c *Controller) takeStaged(move string, id core.ComponentID) (data []byte, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.staged[move]
	if s == nil || s.id != id || s.done {
		return nil, false
	}
	data, s.data = s.data, nil
	return data, true
}

// startedLocked notes that a component that was handed over runs.
func (c *Controller) startedLocked(move string) {
	if s := c.staged[move]; s != nil {
		s.done = true
	}
}

// handBack gives a component that did not start back to the host that it came from.
func (c *Controller) handBack(ctx context.Context, p *placed, claim claimView, why error) {
	back := claimValue{Host: claim.FromHost, Session: claim.FromSession, Fence: claim.Fence + 1, Floor: claim.Floor}
	c.claim(ctx, p, back, claim.revision)
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.staged[claim.Move]; s != nil {
		s.done, s.err = true, why
	}
}
