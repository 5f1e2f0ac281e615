package host_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// toyEngine runs functions that see their instance. Tests of interruption,
// compilation and closing need them, and package native does not have them.
type toyEngine struct{}

func (toyEngine) Name() string                { return "toy" }
func (toyEngine) Close(context.Context) error { return nil }

func (toyEngine) Compile(ctx context.Context, src core.Source, _ core.Limits) (core.Component, error) {
	if t, ok := src.Value.(interface{ compiles(context.Context) error }); ok {
		if err := t.compiles(ctx); err != nil {
			return nil, err
		}
	}
	return src.Value.(core.Component), nil
}

// toy is a component. A function that is nil does nothing.
type toy struct {
	compile    func(ctx context.Context) error
	initialize func(i *toyInstance) error
	message    func(i *toyInstance, message []byte) error
	answer     func(i *toyInstance, sender core.ComponentID, message []byte) ([]byte, error) // in place of message
	traits     core.Traits                                                                   // beside Interruptible
	callback   func(i *toyInstance, id core.RequestID, response []byte, failure *core.RequestError) error
	turn       func(i *toyInstance) error
	shutdown   func(i *toyInstance) error
	interrupt  func()
	live       atomic.Int32 // instances that have not been closed
	closed     atomic.Int32 // calls of the component's Close
}

func (t *toy) compiles(ctx context.Context) error {
	if t.compile == nil {
		return nil
	}
	return t.compile(ctx)
}

func (t *toy) Traits() core.Traits {
	traits := t.traits
	traits.Interruptible = true
	return traits
}

func (t *toy) Close(context.Context) error { t.closed.Add(1); return nil }

func (t *toy) Instantiate(_ context.Context, env core.Environment) (core.Instance, error) {
	t.live.Add(1)
	i := &toyInstance{toy: t, env: env, interrupted: make(chan struct{})}
	env.Starting(i)
	return i, nil
}

type toyInstance struct {
	toy         *toy
	env         core.Environment
	interrupted chan struct{} // closed by Interrupt
	closed      bool
}

var _ core.Turner = (*toyInstance)(nil)

// hang is a call that ends when it is interrupted.
func (i *toyInstance) hang() error {
	<-i.interrupted
	return &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}
}

func (i *toyInstance) Initialize([]core.ConfigPair) error {
	if i.toy.initialize == nil {
		return nil
	}
	return i.toy.initialize(i)
}

func (i *toyInstance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	switch {
	case i.toy.answer != nil:
		answer, err := i.toy.answer(i, sender, message)
		if response != nil && err == nil {
			*response = append(*response, answer...)
		}
		return err
	case i.toy.message == nil:
		return nil
	}
	return i.toy.message(i, message)
}

func (i *toyInstance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	if i.toy.callback == nil {
		return nil
	}
	return i.toy.callback(i, id, response, failure)
}

func (i *toyInstance) Turn() error {
	if i.toy.turn == nil {
		return nil
	}
	return i.toy.turn(i)
}

func (i *toyInstance) Health() (core.HealthStatus, error) { return core.HealthHealthy, nil }

func (i *toyInstance) Shutdown() error {
	if i.toy.shutdown == nil {
		return nil
	}
	return i.toy.shutdown(i)
}

func (i *toyInstance) Interrupt() {
	if i.toy.interrupt != nil {
		i.toy.interrupt()
	}
	close(i.interrupted) // panics if it is called twice
}

func (i *toyInstance) Close() error {
	if i.closed {
		panic("an instance is closed twice")
	}
	i.closed = true
	i.toy.live.Add(-1)
	return nil
}

func toyDeployment(name string, t *toy) host.Deployment {
	d := deployment(name, nil)
	d.Limits = core.Limits{}
	d.Engine, d.Source = "toy", core.Source{Value: t}
	return d
}

// bubble runs a test in which time passes only while all goroutines wait.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}
