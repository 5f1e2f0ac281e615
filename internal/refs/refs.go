// Package refs counts what uses an engine or a component, so that its Close frees
// nothing that is still in use, whatever the order in which a program closes things.
package refs

import (
	"context"
	"fmt"
	"sync"

	"github.com/airhost/airhost/core"
)

// Count counts references to what is to be closed. The zero value has none. Its
// methods may be called from any goroutine.
type Count struct {
	// Of is the count of what this one's owner is made of, or nil: a reference to
	// the one is a reference to the other.
	Of *Count

	mu     sync.Mutex // guards what follows; not held while Of's is taken
	n      int
	closed bool
	idle   chan struct{} // closed when n falls to 0; nil while no Close waits
}

// Acquire adds a reference, which must be released. After Close it returns
// [core.ErrClosed].
func (c *Count) Acquire() error {
	if c.Of != nil {
		if err := c.Of.Acquire(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.n++
	}
	c.mu.Unlock()
	if !closed {
		return nil
	}
	if c.Of != nil {
		c.Of.Release()
	}
	return core.ErrClosed
}

// Release takes a reference away.
func (c *Count) Release() {
	c.mu.Lock()
	c.n--
	if c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	c.mu.Unlock()
	if c.Of != nil {
		c.Of.Release()
	}
}

// Close waits until there is no reference and calls free, whose error it returns.
// If ctx ends before, it returns an error that wraps [core.ErrInUse] and ctx's, and
// names the number of references; nothing has changed then. A second Close waits
// for the end of the first, and returns nil.
func (c *Count) Close(ctx context.Context, free func() error) error {
	for {
		idle, err, done := c.tryClose(free)
		if done {
			return err
		}
		select {
		case <-idle:
		case <-ctx.Done():
			c.mu.Lock()
			n := c.n
			c.mu.Unlock()
			if n > 0 {
				return fmt.Errorf("%w (instances and compilations: %d): %w", core.ErrInUse, n, ctx.Err())
			}
		}
	}
}

// tryClose closes if there is no reference; else it returns what is closed when
// there is none any more.
func (c *Count) tryClose(free func() error) (idle <-chan struct{}, err error, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, true
	case c.n == 0:
		c.closed = true
		return nil, free(), true
	case c.idle == nil:
		c.idle = make(chan struct{})
	}
	return c.idle, nil, false
}
