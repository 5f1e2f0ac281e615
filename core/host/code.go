package host

import (
	"context"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// code is a compiled guest, which the members of a crew share. Close releases it once all
// have called it.
type code struct {
	core.Component
	users atomic.Int64
}

func newCode(compiled core.Component) *code {
	c := &code{Component: compiled}
	c.users.Store(1)
	return c
}

// share returns the code for one user more.
func (c *code) share() *code {
	c.users.Add(1)
	return c
}

// shareCode returns c's code for one user more, or an error if c is being removed: Stop does so
// also during a change, once its time is over.
func (c *component) shareCode() (*code, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compiled == nil {
		return nil, errBusy
	}
	return c.compiled.share(), nil
}

// Close implements [core.Component].
func (c *code) Close(ctx context.Context) error {
	if c.users.Add(-1) > 0 {
		return nil
	}
	return c.Component.Close(ctx)
}
