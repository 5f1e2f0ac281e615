package brokertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// fault names a way to break one promise.
type fault string

type traits struct {
	direct bool
	late   bool
	fault  fault
}

// reference is a small broker with at most one fault. It has a lane and a goroutine
// for each component, or neither if it is direct.
type reference struct {
	traits

	mu     sync.Mutex
	closed bool
	home   core.Origin
	lanes  map[core.ComponentID]*lane
	all    []*lane
	pumps  sync.WaitGroup
	taken  atomic.Int64 // accepted messages, for faults that occur now and then
}

type lane struct {
	broker   *reference
	id       core.ComponentID
	receiver core.Receiver

	mu    sync.Mutex
	more  *sync.Cond
	queue []*core.Message
	gone  error
}

const laneCapacity = 64

func (b *reference) has(f fault) bool { return b.fault == f }

func (b *reference) Open(_ context.Context, home core.Origin) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed && !b.has("opens after close") {
		return core.ErrClosed
	}
	b.home = home
	b.lanes = make(map[core.ComponentID]*lane)
	if b.has("fails to open") {
		return fmt.Errorf("no")
	}
	return nil
}

func (b *reference) Attach(id core.ComponentID, r core.Receiver) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed && b.has("attaches after close"):
		return nil
	case b.closed:
		return core.ErrClosed
	}
	if _, ok := b.lanes[id]; ok && !b.has("attaches twice") {
		return fmt.Errorf("%s is attached", id)
	}
	l := &lane{broker: b, id: id, receiver: r}
	l.more = sync.NewCond(&l.mu)
	b.lanes[id] = l
	b.all = append(b.all, l)
	if !b.direct {
		b.pumps.Go(l.pump)
	}
	return nil
}

func (b *reference) Detach(id core.ComponentID) {
	if b.has("does not detach") || b.has("fails to detach twice") && b.lane(id) == nil {
		return
	}
	b.mu.Lock()
	l := b.lanes[id]
	if l == nil && b.has("detaches another") {
		for id, l = range b.lanes {
		}
	}
	delete(b.lanes, id)
	b.mu.Unlock()
	if l != nil {
		l.end(&core.MessagingError{Case: core.CaseTargetNotFound, Text: id.String()})
	}
}

func (b *reference) lane(id core.ComponentID) *lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lanes[id]
}

func (b *reference) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lanes[target]
	switch {
	case b.closed && !b.has("routes after close"):
		return nil, core.ErrClosed
	case b.has("routes anywhere") && l == nil:
		return receiver(func(*core.Message) error { return nil }), nil
	case b.has("says unavailable for unknown") && l == nil:
		return nil, core.ErrUnavailable
	case b.late && l == nil:
		return receiver(func(m *core.Message) error {
			b.home.Undelivered(m, core.ErrTargetNotFound)
			return nil
		}), nil
	case l == nil:
		return nil, core.ErrTargetNotFound
	case b.has("misroutes"):
		for _, l = range b.lanes {
		}
	}
	if b.direct && !b.has("wraps") {
		return l.receiver, nil
	}
	return l, nil
}

type receiver func(*core.Message) error

func (r receiver) Deliver(m *core.Message) error { return r(m) }

func (b *reference) Close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed && b.has("panics when closed twice") {
		b.mu.Unlock()
		return fmt.Errorf("closed twice")
	}
	b.closed = true
	lanes := b.all
	b.lanes = nil
	b.mu.Unlock()
	for _, l := range lanes {
		l.end(core.ErrUnavailable)
	}
	if b.has("leaves goroutines") {
		for range 10 {
			go func() { <-time.After(time.Hour) }()
		}
	}
	if b.has("does not wait") {
		return nil
	}
	done := make(chan struct{})
	go func() {
		b.pumps.Wait()
		close(done)
	}()
	if b.has("waits without end") {
		<-done
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *reference) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (l *lane) Deliver(m *core.Message) error {
	if l.broker.direct {
		return l.receiver.Deliver(m)
	}
	b := l.broker
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.gone != nil && b.late && !b.isClosed():
		b.home.Undelivered(m, l.gone)
		return nil
	case l.gone != nil && b.has("loses messages of stale routes"):
		return nil
	case l.gone != nil && b.has("follows the id"):
		if now := b.lane(l.id); now != nil {
			return now.Deliver(m)
		}
	case l.gone != nil && b.has("changes refused messages"):
		m.Payload = nil
	case l.gone != nil && b.has("keeps refused messages"):
		b.home.Undelivered(m, l.gone)
	case l.gone != nil && b.has("forgets why it is gone"):
		return core.ErrUnavailable
	case l.gone != nil && b.has("stays with target-not-found"):
		return &core.MessagingError{Case: core.CaseTargetNotFound}
	}
	if l.gone != nil {
		return l.gone
	}
	for len(l.queue) >= laneCapacity {
		if !b.has("blocks") {
			return core.ErrQueueFull
		}
		l.more.Wait()
	}
	switch {
	case b.has("loses one in ten") && b.taken.Add(1)%10 == 0:
		return nil
	case b.has("refuses and takes") && b.taken.Add(1)%10 == 0:
		l.put(m)
		return core.ErrUnavailable
	case b.has("drops the correlation"):
		m.Correlation = 0
	case b.has("drops the origin"):
		m.Origin = nil
	case b.has("duplicates"):
		l.put(m)
	}
	l.put(m)
	return nil
}

func (l *lane) put(m *core.Message) {
	if l.broker.has("reorders") && len(l.queue) > 0 {
		l.queue = append([]*core.Message{m}, l.queue...)
		return
	}
	l.queue = append(l.queue, m)
	l.more.Broadcast()
}

func (l *lane) end(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil || !l.broker.has("stays with target-not-found") {
		l.gone = reason
	}
	l.more.Broadcast()
}

func (l *lane) pump() {
	b := l.broker
	for {
		m, gone := l.take()
		switch {
		case m == nil:
			return
		case gone != nil && b.has("forgets leftovers"):
		case gone != nil && b.has("returns leftovers twice"):
			b.home.Undelivered(m, gone)
			b.home.Undelivered(m, gone)
		case gone != nil && !b.has("delivers leftovers"):
			b.home.Undelivered(m, gone)
		default:
			l.deliver(m)
		}
	}
}

func (l *lane) take() (m *core.Message, gone error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && l.gone == nil {
		l.more.Wait()
	}
	if len(l.queue) > 0 {
		m, l.queue = l.queue[0], l.queue[1:]
		l.more.Broadcast()
	}
	return m, l.gone
}

func (l *lane) deliver(m *core.Message) {
	b := l.broker
	err := l.receiver.Deliver(m)
	switch {
	case err == nil && b.has("releases delivered messages"):
		m.Release()
	case err != nil && b.has("drops refused messages"):
	case err != nil && b.has("gives no reason"):
		b.home.Undelivered(m, core.ErrUnavailable)
	case err != nil:
		b.home.Undelivered(m, err)
	}
}
