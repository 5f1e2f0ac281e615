package host_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// bus joins the hosts of a test.
type bus struct {
	mu      sync.Mutex
	busses  []*station
	refuses func(m *core.Message) error // what goes to another host, if not nil
}

// station is the broker of a host on a bus.
type station struct {
	bus           *bus
	home          core.Origin
	at            map[core.ComponentID]core.Receiver
	left, arrived uint64
	leavingFails  error
}

var _ core.Mover = (*station)(nil)

func (b *bus) join() (core.Broker, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &station{bus: b, at: make(map[core.ComponentID]core.Receiver)}
	b.busses = append(b.busses, s)
	return s, nil
}

// start starts a host on the bus, with the engines and the tracker of p.
func (b *bus) start(t testing.TB, p parts) *testHost {
	p.broker = b.join
	return p.start(t, host.Config{})
}

func (s *station) Open(_ context.Context, home core.Origin) error { s.home = home; return nil }
func (s *station) Close(context.Context) error                    { return nil }

func (s *station) Attach(id core.ComponentID, r core.Receiver) error {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	s.at[id] = r
	return nil
}

func (s *station) Detach(id core.ComponentID) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.at, id)
}

func (s *station) Route(id core.ComponentID) (core.Receiver, error) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if r := s.at[id]; r != nil {
		return r, nil
	}
	return &busRoute{s, id, false}, nil
}

func (s *station) Traffic() (left, arrived uint64) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	return s.left, s.arrived
}

func (s *station) Leaving(id core.ComponentID) (core.Departure, error) {
	return &busRoute{s, id, true}, s.leavingFails
}

func (s *station) Arrive(id core.ComponentID, r core.Successor, _ bool) error { return s.Attach(id, r) }

func (s *station) Settle(core.ComponentID) {}

// busRoute leads to a component of another host.
type busRoute struct {
	from   *station
	target core.ComponentID
	first  bool // it has left the host
}

func (r *busRoute) Arriving() bool { return false }

func (r *busRoute) Leave() {}

func (r *busRoute) Handing() {}

func (r *busRoute) Stay() {}

// other returns the host that has the target.
func (r *busRoute) other() (*station, core.Receiver) {
	b := r.from.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.busses {
		if to := s.at[r.target]; to != nil && s != r.from {
			return s, to
		}
	}
	return nil, nil
}

func (r *busRoute) Deliver(m *core.Message) (err error) {
	to, receiver := r.other()
	if to == nil {
		return &core.MessagingError{Case: core.CaseTargetNotFound, Text: r.target.String()}
	}
	b := r.from.bus
	b.mu.Lock()
	refuses := b.refuses
	b.mu.Unlock()
	if refuses != nil {
		if err = refuses(m); err != nil {
			return err
		}
	}
	b.mu.Lock() // before it can be handled
	r.from.left++
	to.arrived++
	b.mu.Unlock()
	copied := core.NewMessage(m.Payload)
	copied.Sender, copied.Target, copied.Correlation, copied.Deadline, copied.Origin = m.Sender, m.Target, m.Correlation, m.Deadline, m.Origin
	if r.first {
		err = receiver.(core.Successor).DeliverFirst(copied)
	} else {
		err = receiver.Deliver(copied)
	}
	if err == nil {
		m.Release()
		return nil
	}
	copied.Release()
	b.mu.Lock()
	r.from.left--
	to.arrived--
	b.mu.Unlock()
	return err
}

func (r *busRoute) End() {
	if _, receiver := r.other(); receiver != nil {
		receiver.(core.Successor).Complete()
	}
}

// even checks that every message of a host has ended exactly once.
func (h *testHost) even() host.Snapshot {
	h.t.Helper()
	s := h.quiesce()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	if s.Sent+s.Arrived != s.Handled+s.Expired+s.DeadLetters+refused+s.Left {
		h.t.Errorf("the counters do not add up: %+v", s)
	}
	return s
}

// onto is a hand that makes a host deploy what moves, by way of its binary form.
func onto(h *testHost, d host.Deployment) func(context.Context, *core.Moving) error {
	return func(ctx context.Context, m *core.Moving) error {
		data, err := m.MarshalBinary()
		d.Moving = new(core.Moving)
		return errors.Join(err, d.Moving.UnmarshalBinary(data), h.Deploy(ctx, d))
	}
}

// twoHosts runs a test on two hosts with each tracker and kind of engine, in a bubble.
func twoHosts(t *testing.T, test func(t *testing.T, b *bus, from, to *testHost)) {
	for _, p := range allParts {
		if p.name == "channel-slab" || p.name == "channel-timermap" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := new(bus)
				test(t, b, b.start(t, p), b.start(t, p))
			})
		})
	}
}
