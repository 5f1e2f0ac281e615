package native

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/refs"
)

// component is a constructor of Go values, with the traits of these values.
type component struct {
	create func() guest.Component
	traits core.Traits
	first  atomic.Pointer[guest.Component] // created by Compile, used by the first instance
	refs   refs.Count                      // counts instances
}

var _ core.Component = (*component)(nil)

func newComponent(e *Engine, name string, create func() guest.Component) (*component, error) {
	value, trap := tryCreate(create)
	if trap != nil {
		return nil, &core.ModuleError{Source: name, Problems: []string{"its constructor failed: " + trap.Text}, Cause: trap}
	}
	c := &component{create: create, traits: traitsOf(value), refs: refs.Count{Of: &e.refs}}
	c.first.Store(&value)
	return c, nil
}

// tryCreate calls create. It returns a trap if create panics or returns nil.
func tryCreate(create func() guest.Component) (value guest.Component, trap *core.TrapError) {
	defer func() {
		if r := recover(); r != nil {
			trap = panicked(r)
		}
	}()
	if value = create(); value == nil {
		trap = &core.TrapError{Kind: core.TrapFault, Text: "the constructor returned nil"}
	}
	return value, trap
}

func panicked(reason any) *core.TrapError {
	return &core.TrapError{Kind: core.TrapFault, Text: panicText(reason), Details: string(debug.Stack())}
}

// panicText returns the first line of a panic's text. It copies the line, so the
// rest of a long text is freed.
func panicText(reason any) string {
	text := fmt.Sprint("panic: ", reason)
	if end := strings.IndexAny(text, "\r\n"); end >= 0 {
		text = text[:end]
	}
	return strings.ToValidUTF8(strings.Clone(text), "\uFFFD")
}

func traitsOf(value guest.Component) core.Traits {
	_, callback := value.(guest.CallbackHandler)
	_, starts := value.(guest.Initializer)
	_, reports := value.(guest.HealthReporter)
	_, ends := value.(guest.Shutdowner)
	_, state := value.(guest.StateKeeper)
	return core.Traits{Callback: callback, Management: starts || reports || ends, State: state, KeepsLedger: true, InGo: true}
}

func (c *component) Traits() core.Traits { return c.traits }

func (c *component) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	if err := c.refs.Acquire(); err != nil {
		return nil, err
	}
	i := newInstance(env)
	i.released = c.refs.Release
	if err := ctx.Err(); err != nil {
		_ = i.Close() // never fails
		return nil, err
	}
	if env.Starting != nil {
		env.Starting(i)
	}
	if err := i.start(c); err != nil {
		_ = i.Close()
		return nil, err
	}
	return i, nil
}

// take returns a value that no instance uses.
func (c *component) take() (guest.Component, *core.TrapError) {
	if first := c.first.Swap(nil); first != nil {
		return *first, nil
	}
	return tryCreate(c.create)
}

func (c *component) Close(ctx context.Context) error {
	err := c.refs.Close(ctx, func() error {
		c.first.Store(nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("native: close a component: %w", err)
	}
	return nil
}
