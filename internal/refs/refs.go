// Package refs counts the users of an engine or a component, so that Close frees it
// only when no user is left, in whatever order a program closes things.
package refs

import (
	"context"
	"fmt"
	"sync"

	"github.com/airhost/airhost/core"
)

// Count counts the references to an object that can be closed. The zero value has no
// references. Its methods may be called from any goroutine.
type Count struct {
	// Of is the count of the object on which this one depends, or nil. Each
	// reference to this object also counts as a reference to that one.
	Of *Count

	mu     sync.Mutex // guards the fields below; not held while Of.mu is locked
	n      int
	closed bool
	idle   chan struct{} // closed when n falls to 0; nil while no Close waits
}

// Acquire adds a reference. The caller must release it. After Close, Acquire returns
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

// Release removes a reference.
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

// Close waits until there are no references, calls free and returns its error. If
// ctx ends earlier, Close returns an error that wraps [core.ErrInUse] and ctx's
// error and tells the number of references; the object stays open. A second Close
// waits for the end of the first and returns nil.
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

// tryClose closes the object if it has no references. Otherwise it returns a channel
// that is closed when there are none.
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
