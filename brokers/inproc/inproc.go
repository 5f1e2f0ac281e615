// Package inproc is airhost's default broker. All components are in this process. A
// sender puts a message into its target's mailbox directly, without another queue or a
// copy.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/airhost/airhost/core"
)

// Config configures a broker. It has no fields yet.
type Config struct{}

// Broker is a [core.Broker]. It holds no messages: Route returns the attached Receiver
// itself. So that receiver must refuse messages after Detach or Close; its owner closes
// it before.
type Broker struct {
	mu        sync.RWMutex // guards the fields below
	state     state
	receivers map[core.ComponentID]core.Receiver
}

type state uint8

const (
	made state = iota
	open
	closed
)

var _ core.Broker = (*Broker)(nil)

// New returns a broker that is not open yet. The error is always nil.
func New(Config) (*Broker, error) {
	return &Broker{receivers: make(map[core.ComponentID]core.Receiver)}, nil
}

// Open implements [core.Broker]. It does not block, and ignores home, because this
// broker returns no messages.
func (b *Broker) Open(_ context.Context, _ core.Origin) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case open:
		return errors.New("open inproc broker: it is open already; a broker serves one host")
	case closed:
		return core.ErrClosed
	}
	b.state = open
	return nil
}

// Attach implements [core.Broker].
func (b *Broker) Attach(id core.ComponentID, r core.Receiver) error {
	if id.IsZero() || r == nil {
		return errors.New("attach to inproc broker: want a component id and a receiver")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.checkLocked(); err != nil {
		return err
	}
	if _, ok := b.receivers[id]; ok {
		return fmt.Errorf("attach %s to inproc broker: it is attached already", id)
	}
	b.receivers[id] = r
	return nil
}

// checkLocked returns an error unless the broker is open. The caller holds b.mu.
func (b *Broker) checkLocked() error {
	switch b.state {
	case made:
		return errors.New("inproc broker: Open must be called first")
	case closed:
		return core.ErrClosed
	}
	return nil
}

// Detach implements [core.Broker].
func (b *Broker) Detach(id core.ComponentID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.receivers, id)
}

// Route implements [core.Broker]. It returns the attached receiver.
func (b *Broker) Route(target core.ComponentID) (core.Receiver, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.checkLocked(); err != nil {
		return nil, err
	}
	if r, ok := b.receivers[target]; ok {
		return r, nil
	}
	return nil, &core.MessagingError{Case: core.CaseTargetNotFound, Text: target.String()}
}

// Close implements [core.Broker]. It does not block, and a second Close returns
// nil.
func (b *Broker) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = closed
	b.receivers = nil
	return nil
}
