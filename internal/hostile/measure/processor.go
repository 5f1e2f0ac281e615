package main

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/hostile"
)

// longest is the processor time of the longest call of any guest, including its host
// functions. The wrappers below hide the engine's optional interfaces, so every
// message passes through the host's own calls.
type longest struct{ atomic.Int64 }

// of returns the engine with a clock around each call.
func (l *longest) of(engine hostile.Engine) hostile.Engine {
	open := engine.Open
	engine.Open = func() (core.Engine, error) {
		e, err := open()
		return clockedEngine{e, l}, err
	}
	return engine
}

// call runs f on a thread that runs no other goroutine meanwhile, and records its
// time.
func (l *longest) call(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	f()
	for spent := threadTime() - before; ; {
		if old := l.Load(); spent <= old || l.CompareAndSwap(old, spent) {
			return
		}
	}
}

func threadTime() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	return now.Nano()
}

type clockedEngine struct {
	core.Engine
	longest *longest
}

func (e clockedEngine) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	c, err := e.Engine.Compile(ctx, src, limits)
	if err != nil {
		return nil, err
	}
	return clockedComponent{c, e.longest}, nil
}

type clockedComponent struct {
	core.Component
	longest *longest
}

func (c clockedComponent) Instantiate(ctx context.Context, env core.Environment) (in core.Instance, err error) {
	c.longest.call(func() { in, err = c.Component.Instantiate(ctx, env) })
	if err != nil {
		return nil, err
	}
	return clockedInstance{in.(core.StateKeeper), c.longest}, nil
}

type clockedInstance struct {
	core.StateKeeper
	longest *longest
}

func (in clockedInstance) Initialize(config []core.ConfigPair) (err error) {
	in.longest.call(func() { err = in.StateKeeper.Initialize(config) })
	return err
}

func (in clockedInstance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) (err error) {
	in.longest.call(func() { err = in.StateKeeper.HandleMessage(sender, message, response) })
	return err
}

func (in clockedInstance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) (err error) {
	in.longest.call(func() { err = in.StateKeeper.HandleCallback(id, response, failure) })
	return err
}

func (in clockedInstance) Health() (status core.HealthStatus, err error) {
	in.longest.call(func() { status, err = in.StateKeeper.Health() })
	return status, err
}

func (in clockedInstance) Shutdown() (err error) {
	in.longest.call(func() { err = in.StateKeeper.Shutdown() })
	return err
}

func (in clockedInstance) Save(dst []byte) (state []byte, err error) {
	in.longest.call(func() { state, err = in.StateKeeper.Save(dst) })
	return state, err
}

func (in clockedInstance) Restore(state []byte) (err error) {
	in.longest.call(func() { err = in.StateKeeper.Restore(state) })
	return err
}

var _ core.StateKeeper = clockedInstance{}
