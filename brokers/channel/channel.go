// Package channel is a simple broker: each component has a Go channel, and a goroutine
// that delivers the messages of the channel to the component. The default broker,
// brokers/inproc, is measured against it. It is also an example of a broker that
// delivers messages later than it accepts them.
package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/airhost/airhost/core"
)

// DefaultCapacity is the default of [Config.Capacity].
const DefaultCapacity = 1024

// DefaultBytes is the default of [Config.Bytes].
const DefaultBytes = 64 << 20

// Config configures a broker. The zero value is the default.
type Config struct {
	// Capacity is the most messages that the broker holds for one component, at least
	// 1; 0 stands for [DefaultCapacity]. More are refused with queue-full. The
	// component's mailbox comes in addition.
	Capacity int
	// Bytes is the most bytes that these messages may take, at least 1, with
	// [core.MessageOverhead] for each; 0 stands for [DefaultBytes]. A single message
	// may be larger.
	Bytes int64
}

// Broker is a [core.Broker].
type Broker struct {
	capacity int
	bytes    int64 // the most for one component

	mu     sync.RWMutex // guards state, home and routes
	state  state
	home   core.Origin
	routes map[core.ComponentID]*route

	pumps sync.WaitGroup
}

type state uint8

const (
	made state = iota
	open
	closed
)

var _ core.Broker = (*Broker)(nil)

// New returns a broker that is not open yet, or an error if config is wrong.
func New(config Config) (*Broker, error) {
	if config.Capacity < 0 {
		return nil, fmt.Errorf("channel broker: capacity %d, want at least 1, or 0 for %d", config.Capacity, DefaultCapacity)
	}
	if config.Bytes < 0 {
		return nil, fmt.Errorf("channel broker: bytes %d, want at least 1, or 0 for %d", config.Bytes, DefaultBytes)
	}
	return &Broker{
		capacity: cmp.Or(config.Capacity, DefaultCapacity), bytes: cmp.Or(config.Bytes, DefaultBytes),
		routes: make(map[core.ComponentID]*route),
	}, nil
}

// Open implements [core.Broker]. It does not block.
func (b *Broker) Open(_ context.Context, home core.Origin) error {
	if home == nil {
		return errors.New("open channel broker: want an origin, for undeliverable messages")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case open:
		return errors.New("open channel broker: it is open already; a broker serves one host")
	case closed:
		return core.ErrClosed
	}
	b.state, b.home = open, home
	return nil
}

// Attach implements [core.Broker]: it starts the component's goroutine.
func (b *Broker) Attach(id core.ComponentID, r core.Receiver) error {
	if id.IsZero() || r == nil {
		return errors.New("attach to channel broker: want a component id and a receiver")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.checkLocked(); err != nil {
		return err
	}
	if _, ok := b.routes[id]; ok {
		return fmt.Errorf("attach %s to channel broker: it is attached already", id)
	}
	to := newRoute(b, id, r)
	b.routes[id] = to
	b.pumps.Go(to.pump)
	return nil
}

// checkLocked returns an error unless the broker is open. The caller holds b.mu.
func (b *Broker) checkLocked() error {
	switch b.state {
	case made:
		return errors.New("channel broker: Open must be called first")
	case closed:
		return core.ErrClosed
	}
	return nil
}

// Detach implements [core.Broker]. It hands the waiting messages to Origin.Undelivered.
// It does not wait for the component's goroutine, which may still be in the receiver
// with one message.
func (b *Broker) Detach(id core.ComponentID) {
	b.mu.Lock()
	to, ok := b.routes[id]
	delete(b.routes, id)
	b.mu.Unlock()
	if ok {
		to.end(&core.MessagingError{Case: core.CaseTargetNotFound, Text: id.String()})
	}
}

// Route implements [core.Broker].
func (b *Broker) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.checkLocked(); err != nil {
		return nil, err
	}
	if to, ok := b.routes[target]; ok {
		return to, nil
	}
	return nil, &core.MessagingError{Case: core.CaseTargetNotFound, Text: target.String()}
}

// Close implements [core.Broker]. It fails if ctx ends while a receiver is still in its
// Deliver; the messages behind that one have gone to Origin.Undelivered even then. A
// second Close waits again.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.state = closed
	routes := b.routes
	b.routes = nil
	b.mu.Unlock()
	for _, to := range routes {
		to.end(unavailable)
	}

	idle := make(chan struct{})
	go func() {
		b.pumps.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close channel broker: a receiver has not returned: %w", ctx.Err())
	}
}

func (b *Broker) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.state == closed
}
