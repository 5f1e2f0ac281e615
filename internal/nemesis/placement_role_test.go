package nemesis

import (
	"context"
	"slices"
	"sync"
	"time"

	leases "github.com/airhost/airhost/cluster"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// placedNames are the components with "place: any" that all hosts can run. By their names
// each host has two of them while all is well.
var placedNames = []string{"any/p0", "any/p1", "any/p2", "any/p3", "any/p4", "any/p6"}

// placement is a load of messages and requests for these.
var placement = load{
	send: func(s *sender, h guest.Host, tick int, calm bool) {
		if calm {
			for _, target := range placedNames {
				s.send(h, target)
				s.ask(h, target, time.Minute)
			}
			return
		}
		target := placedNames[tick%len(placedNames)]
		for range 3 {
			s.send(h, target)
		}
		s.ask(h, target, time.Duration(500+tick%3*500)*time.Millisecond)
	},
}

// claim is a claim of this host.
type claim struct {
	fence uint64
	valid func() bool
}

// state returns the time before a question, and whether the claim was valid after that.
func (c claim) state() (asked int64, valid bool) {
	asked = time.Now().UnixNano()
	return asked, c.valid != nil && c.valid()
}

// placing runs the components of placedNames of a host: it is the fences and the runner of
// its controller, and writes down all that it does.
type placing struct {
	leases.Fences
	host   *runningHost
	broken bool // goes on when its lease is over

	mu     sync.Mutex // guards the following
	claims map[core.ComponentID]claim
}

var (
	_ leases.Fences = (*placing)(nil)
	_ leases.Runner = (*placing)(nil)
)

// ignoreLease is the placement with a fault: it goes on with its components when its lease
// is over.
const ignoreLease = "ignore-lease"

// place begins to take components. The directory of the cluster may not be there yet. Close
// ends what it has begun.
func (h *runningHost) place(ctx context.Context) {
	directory := h.broker.Directory()
	p := &placing{Fences: directory, host: h, broken: h.settings.Break == ignoreLease, claims: map[core.ComponentID]claim{}}
	var ids []core.ComponentID
	for _, name := range placedNames {
		ids = append(ids, core.MustComponentID(name))
	}
	for ctx.Err() == nil {
		c, err := leases.New(leases.Config{
			Host: h.settings.Name, Lease: h.settings.Lease, Directory: directory, Hosts: directory, Fences: p, Runner: p, Logger: h.logger,
		})
		if err == nil {
			err = c.Start(ctx)
		}
		if err == nil {
			c.Add(ids...)
			<-ctx.Done()
			c.Close()
			return
		}
		h.logger.Warn("the placement did not start, it is tried again", "reason", err.Error())
		if c != nil {
			c.Close()
		}
	}
}

// Own implements [leases.Fences].
func (p *placing) Own(id core.ComponentID, fence, least uint64, valid func() bool) {
	if p.broken && valid != nil {
		valid = func() bool { return true }
	}
	p.mu.Lock()
	p.claims[id] = claim{fence, valid}
	p.mu.Unlock()
	p.Fences.Own(id, fence, least, valid)
}

// claim returns the claim under which this host has a component.
func (p *placing) claim(id core.ComponentID) claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claims[id]
}

// Start implements [leases.Runner].
func (p *placing) Start(ctx context.Context, id core.ComponentID, moving *core.Moving) error {
	d, err := deployment(id, func() guest.Component { return placed{p, id} })
	if err != nil {
		return err
	}
	d.Moving = moving
	c := p.claim(id)
	asked, valid := c.state()
	how := "new"
	if moving != nil {
		how = "moved"
	}
	p.host.journal.write("up", id, c.fence, asked, valid, how)
	if err = p.host.Deploy(ctx, d); err != nil {
		p.host.journal.write("down", id, c.fence)
	}
	return err
}

// Stop implements [leases.Runner].
func (p *placing) Stop(ctx context.Context, id core.ComponentID) error {
	if p.broken {
		return nil
	}
	err := p.host.Undeploy(ctx, id)
	if err != nil && slices.Contains(p.host.placed(), id.String()) {
		return err
	}
	p.host.journal.write("down", id, p.claim(id).fence)
	return nil
}

// MoveAway implements [leases.Runner].
func (p *placing) MoveAway(ctx context.Context, id core.ComponentID, hand func(context.Context, *core.Moving) error) error {
	return p.host.MoveAway(ctx, id, func(ctx context.Context, m *core.Moving) error {
		err := hand(ctx, m)
		if err == nil {
			p.host.journal.write("down", id, p.claim(id).fence)
		}
		return err
	})
}

// placed are those of placedNames that this host runs.
func (h *runningHost) placed() (all []string) {
	for _, c := range h.Components() {
		if slices.Contains(placedNames, c.ID.String()) {
			all = append(all, c.ID.String())
		}
	}
	return all
}

// placed writes down each message with the claim under which it is handled, and returns it.
type placed struct {
	*placing
	id core.ComponentID
}

// HandleMessage implements [guest.Component].
func (p placed) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	from, number, ok := parsePayload(message)
	if !ok {
		return message, nil // a probe
	}
	c := p.claim(p.id)
	asked, valid := c.state()
	p.host.journal.write("ran", p.id, from, number, c.fence, asked, valid)
	if p.id.String() == placedNames[0] && number%8 == 0 { // some wait in the mailbox
		<-time.After(10 * time.Millisecond)
	}
	return message, nil
}
