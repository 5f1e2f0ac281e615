package enginetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core"
)

// fake is an engine for [Actor] with at most one flaw.
type fake struct {
	flaw   string
	closed atomic.Bool
	shared *Actor // for a flaw
	alive  atomic.Int32
	calls  atomic.Int32 // in progress
	trap   atomic.Bool
	ended  atomic.Bool // an instance was interrupted or closed, for flaws
}

func (e *fake) has(flaw string) bool { return e.flaw == flaw }

func (e *fake) Name() string {
	if e.has("no name") {
		return ""
	}
	return "fake"
}

func (e *fake) Compile(_ context.Context, src core.Source, _ core.Limits) (core.Component, error) {
	if e.closed.Load() && !e.has("compiles when closed") {
		return nil, core.ErrClosed
	}
	kind, ok := src.Value.(string)
	if !ok && !e.has("accepts anything") {
		return nil, &core.ModuleError{Problems: []string{"no string"}}
	}
	if src.SHA256 != nil && !e.has("ignores checksums") {
		return nil, &core.ModuleError{Problems: []string{"checksum"}}
	}
	return &fakeComponent{engine: e, responder: kind == "responder"}, nil
}

func (e *fake) Close(ctx context.Context) error {
	if e.closed.Load() && e.has("second engine close fails") {
		return core.ErrClosed
	}
	if err := e.idle(ctx); err != nil {
		return err
	}
	e.closed.Store(true)
	return nil
}

// idle waits until all instances are closed.
func (e *fake) idle(ctx context.Context) error {
	for e.alive.Load() > 0 && !e.has("closes an engine in use") {
		if !e.has("close does not wait") {
			_ = ctx.Done()
		}
		switch {
		case e.has("closes an engine in a call") && e.calls.Load() > 0:
			return nil
		case ctx.Err() != nil && e.has("closes for good"):
			e.closed.Store(true)
			fallthrough
		case ctx.Err() != nil && !e.has("in use without a number"):
			return fmt.Errorf("%w: %d instances: %w", core.ErrInUse, e.alive.Load(), ctx.Err())
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", core.ErrInUse, ctx.Err())
		case e.has("close does not wait"):
			return core.ErrInUse
		}
		runtime.Gosched()
	}
	return nil
}

type fakeComponent struct {
	engine    *fake
	responder bool
	closed    bool
}

func (c *fakeComponent) Traits() core.Traits {
	all := !c.responder || c.engine.has("responder has everything")
	return core.Traits{
		KeepsLedger: true, Callback: all, Management: all && !c.engine.has("no management trait"), State: all && !c.engine.has("no state trait"), Interruptible: true, Enforces: c.engine.claims(),
	}
}

// claims returns the limit that a flaw claims and does not enforce.
func (e *fake) claims() core.LimitSet {
	for limit := core.LimitSet(1); limit <= core.AllLimits; limit <<= 1 {
		if e.has("claims " + limit.String()) {
			return limit
		}
	}
	return 0
}

func (c *fakeComponent) Instantiate(_ context.Context, env core.Environment) (core.Instance, error) {
	e := c.engine
	switch {
	case c.closed && !e.has("instantiates when closed"), e.closed.Load() && !e.has("instances of a closed engine"):
		return nil, core.ErrClosed
	case e.alive.Add(1) > 1 && e.has("one instance at a time"):
		return nil, errors.New("busy")
	}
	env.Limits = env.Limits.WithDefaults()
	i := &fakeInstance{fakeComponent: c, env: env, actor: &Actor{}, stop: make(chan struct{})}
	if e.has("shared memory") {
		if e.shared == nil {
			e.shared = i.actor
		}
		i.actor = e.shared
	}
	i.actor.Host, i.actor.Timers, i.actor.Loop, i.actor.Later = (*fakeHost)(i), (*fakeTimers)(i), i.loop, i.doLater
	for range e.startings() {
		if env.Starting != nil {
			env.Starting(i)
		}
	}
	if i.interrupted.Load() && !e.has("interruption before the start is forgotten") {
		e.alive.Add(-1)
		return nil, errFakeInterrupted
	}
	return i, nil
}

func (e *fake) startings() int {
	switch {
	case e.has("no starting"):
		return 0
	case e.has("two startings"):
		return 2
	}
	return 1
}

func (c *fakeComponent) Close(ctx context.Context) error {
	if err := c.engine.idle(ctx); err != nil {
		return err
	}
	if c.closed && c.engine.has("second component close fails") {
		return core.ErrClosed
	}
	c.closed = true
	return nil
}

type fakeInstance struct {
	*fakeComponent
	env         core.Environment
	actor       *Actor
	over        error
	calls       int
	creditLeft  bool
	state       []byte // for a flaw
	stop        chan struct{}
	interrupted atomic.Bool
	busy        sync.Mutex   // for a flaw: held in calls
	inCall      atomic.Bool  // for a flaw
	memory      atomic.Int64 // of the largest response
	later       []func()     // what the guest does in its next turn
}

var (
	_ core.Sizer  = (*fakeInstance)(nil)
	_ core.Turner = (*fakeInstance)(nil)
)

func (i *fakeInstance) doLater(f func()) {
	if i.later = append(i.later, f); i.env.Wanted != nil && !i.has("wants no turns") {
		i.env.Wanted()
	}
}

func (i *fakeInstance) Turn() error {
	do := func() error {
		if len(i.later) == 0 && i.has("turns need a wish") {
			panic("nothing to do")
		}
		for n, f := range i.later {
			if n > 0 && n == len(i.later)-1 && i.has("turns lose the last") {
				break
			}
			f()
		}
		if !i.has("turns do all twice") {
			i.later = nil
		}
		return nil
	}
	if i.over != nil && i.has("turns after the end") {
		return do()
	}
	return i.call(do)
}

func (i *fakeInstance) MemorySize(bool) int64 {
	const least = 64 << 10
	switch {
	case i.has("sizes wait for calls"):
		i.busy.Lock()
		defer i.busy.Unlock()
	case i.has("running guests have no memory") && i.inCall.Load():
		return 0
	case i.has("memories never grow"):
		return least
	}
	return least + i.memory.Load()
}

var errFakeInterrupted = &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}

func (i *fakeInstance) has(flaw string) bool { return i.engine.has(flaw) }

func (i *fakeInstance) loop() {
	if i.has("interruption does nothing") {
		select {}
	}
	<-i.stop
	panic(errFakeInterrupted)
}

// call runs f as guest code.
func (i *fakeInstance) call(f func() error) (err error) {
	if err := i.refusal(); err != nil {
		return err
	}
	i.engine.calls.Add(1)
	defer i.engine.calls.Add(-1)
	if i.has("sizes wait for calls") {
		i.busy.Lock()
		defer i.busy.Unlock()
	}
	i.inCall.Store(true)
	defer i.inCall.Store(false)
	defer func() {
		if cause := recover(); cause != nil {
			err = i.end(cause)
		}
	}()
	if i.calls++; i.calls > 50 && i.has("leaks") {
		panic("out of memory")
	}
	defer func() {
		if i.creditLeft = false; err != nil && i.has("failures drop the message") {
			i.env.Ledger.Open.Kind = core.TransferNone
		}
	}()
	i.creditLeft = i.has("credit at any time")
	err = f()
	if i.interrupted.Load() && !i.has("interrupted services succeed") {
		panic(errFakeInterrupted)
	}
	return i.failed(err)
}

func (i *fakeInstance) refusal() error {
	if i.interrupted.Load() && i.over == nil && !i.has("interruption of the idle is forgotten") {
		i.over = errFakeInterrupted
	}
	switch {
	case i.engine.trap.Load() && i.has("a trap ends all"), i.engine.ended.Load() && (i.has("a close ends all") || i.has("an interruption ends all")):
		return errFakeInterrupted
	case errors.Is(i.over, core.ErrClosed) && i.has("goes on after close"),
		i.over != nil && !errors.Is(i.over, core.ErrClosed) && i.has("goes on after a trap"):
		return nil
	}
	return i.over
}

func (i *fakeInstance) end(cause any) error {
	trap, ok := cause.(*core.TrapError)
	if !ok {
		trap = &core.TrapError{Kind: core.TrapFault, Text: fmt.Sprint(cause), Details: "stack"}
	}
	if i.has("no details") {
		trap.Details = ""
	}
	if i.has("traps have many lines") {
		trap.Text += "\nstack"
	}
	i.engine.trap.Store(true)
	i.over = trap
	if i.has("traps are guest errors") {
		return &core.ComponentError{Case: core.CaseFailed, Text: trap.Text}
	}
	return trap
}

// failed returns the engine's error for an error of the guest.
func (i *fakeInstance) failed(err error) error {
	var failure *core.ComponentError
	if !errors.As(err, &failure) {
		return err
	}
	switch {
	case i.has("guest errors lose their case"):
		return &core.ComponentError{Case: core.CaseFailed, Text: failure.Text}
	case i.has("guest errors end the instance"):
		i.over = errFakeInterrupted
	}
	return err
}

func (i *fakeInstance) Initialize(config []core.ConfigPair) error {
	return i.call(func() error {
		config = slices.Clone(config)
		switch {
		case i.responder, i.has("no initialize without configuration") && len(config) == 0:
			return nil
		case i.has("configuration is sorted"):
			slices.SortFunc(config, func(a, b core.ConfigPair) int { return strings.Compare(a.Key, b.Key) })
		case i.has("no services in initialize"):
			i.withoutServices()
		}
		err := i.actor.Initialize(config)
		if i.has("initialize cannot fail") {
			return nil
		}
		return err
	})
}

func (i *fakeInstance) HandleMessage(sender core.ComponentID, message []byte, response *[]byte) error {
	return i.call(func() error {
		i.creditLeft = true
		if response == nil && i.has("needs a response") {
			panic("nil response")
		}
		message := i.received(message, response)
		got := message
		var err error
		if !i.responder {
			got, err = i.actor.HandleMessage(i.senderID(sender), message)
		}
		if err != nil && response != nil && i.has("errors clear the response") {
			*response = nil
		}
		if err != nil || response == nil {
			return err
		}
		return i.respond(got, response)
	})
}

func (i *fakeInstance) senderID(id core.ComponentID) string {
	if i.has("no sender") {
		return ""
	}
	return id.String()
}

// received returns a copy of the message, as in the guest's memory.
func (i *fakeInstance) received(message []byte, response *[]byte) []byte {
	switch {
	case i.has("overwrites the message"):
		if len(message) > 2 {
			message[2]++
		}
	case i.has("response before message") && response != nil:
		clear((*response)[:cap(*response)])
	case i.has("large messages are cut") && len(message) > 1000:
		message = message[:1000]
	case i.has("no empty message") && len(message) == 0:
		return []byte("e.")
	case i.has("response is the message"):
		return message
	}
	return slices.Clone(message)
}

func (i *fakeInstance) respond(got []byte, response *[]byte) error {
	i.memory.Store(max(i.memory.Load(), int64(len(got))))
	switch {
	case len(got) > i.env.Limits.MessageSize && !i.has("responses have no limit"):
		return &core.ComponentError{Case: core.CaseFailed, Text: "too large"}
	case i.has("response replaces"):
		*response = slices.Clone(got)
	case i.has("response is the message"):
		*response = got
	default:
		*response = append(*response, got...)
	}
	return nil
}

func (i *fakeInstance) HandleCallback(id core.RequestID, response []byte, failure *core.RequestError) error {
	return i.call(func() error {
		i.creditLeft = true
		reason := ""
		if failure != nil {
			reason = failure.Error()
			if i.has("callbacks have no details") {
				reason = failure.Reason.String()
			}
		}
		if i.has("callbacks lose their id") {
			id = 1
		}
		err := i.actor.HandleCallback(id, slices.Clone(response), reason)
		if i.has("callbacks cannot fail") {
			return nil
		}
		return err
	})
}

func (i *fakeInstance) Health() (status core.HealthStatus, err error) {
	err = i.call(func() error {
		if !i.responder && !i.has("always healthy") {
			status = i.actor.Health()
		} else if i.responder && i.has("unmanaged is unhealthy") {
			status = core.HealthUnhealthy
		}
		return nil
	})
	return status, err
}

func (i *fakeInstance) Shutdown() error {
	return i.call(func() error {
		if !i.responder && !i.has("no shutdown") {
			i.actor.Shutdown()
		}
		return nil
	})
}

func (i *fakeInstance) Interrupt() {
	if !i.interrupted.Swap(true) {
		i.engine.ended.Store(i.engine.ended.Load() || i.has("an interruption ends all"))
		close(i.stop)
	}
}

func (i *fakeInstance) Close() error {
	switch {
	case i.over == core.ErrClosed && i.has("second close fails"),
		i.over != nil && i.over != core.ErrClosed && i.has("trapped instances cannot be closed"),
		i.interrupted.Load() && i.has("interrupted instances cannot be closed"):
		return errors.New("cannot be closed")
	}
	if i.over != core.ErrClosed {
		i.engine.ended.Store(i.engine.ended.Load() || i.has("a close ends all"))
		i.engine.alive.Add(-1)
	}
	i.over = core.ErrClosed
	return nil
}
