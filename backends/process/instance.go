package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/frame"
	"github.com/airhost/airhost/internal/spawn"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// What an instance is doing, or how it has ended.
const (
	idle        uint32 = iota
	busy               // in a call
	died               // between calls
	interrupted        // by Instance.Interrupt
	trapped            // with instance.trap
	closed             // by Instance.Close
)

// frameSlack is how much larger than a message a frame may be, in bytes: it
// holds other events before it.
const frameSlack = 64 << 10

// instance is one process that runs a component.
type instance struct {
	state  atomic.Uint32
	ctx    context.Context // of the process's start and of the stream
	cancel context.CancelFunc
	id     core.ComponentID
	host   core.Services
	ended  func() // tells the host that the process ended on its own, or nil

	released func() // called once it is closed
	traits   core.Traits
	limits   core.Limits
	log      *slog.Logger

	process *spawn.Process
	stream  grpc.ClientStream
	watched chan struct{} // closed once nobody watches the process any more

	// What follows belongs to the goroutine that calls the instance.
	lastCall uint64
	out, in  frame.Frame
	leaving  bool  // the process has told of its own end
	trap     error // a TrapError, or what wraps one
}

var _ core.Batcher = (*instance)(nil)

func newInstance(env core.Environment, traits core.Traits, log *slog.Logger) *instance {
	ctx, cancel := context.WithCancel(context.Background())
	return &instance{
		ctx: ctx, cancel: cancel, id: env.ID, host: env.Host, ended: env.Ended, traits: traits,
		limits: env.Limits.WithDefaults(), log: log.With("component", env.ID.String()),
	}
}

// start starts the process and tells it which component it is. The process ends
// when ctx does before it has started.
func (i *instance) start(ctx context.Context, c *component) error {
	if err := i.enter(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, i.cancel)
	process, err := c.start(i.ctx, i.log, i.limits)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if process != nil {
		i.process, i.watched = process, make(chan struct{})
		i.log.Debug("process started", "path", c.command.Path, "limits", process.Held())
		go i.watch()
	}
	if err == nil {
		err = i.open()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case i.state.Load() != busy:
		return i.refusal()
	case err != nil:
		return i.end(&core.TrapError{Kind: core.TrapFault, Text: oneLine(err.Error()), Details: spawn.Details(err)}, err)
	}
	i.call(&pluginv1.Call{Call: &pluginv1.Call_Start{Start: &pluginv1.Start{
		ComponentId: i.id.String(), MessageSize: uint64(i.limits.MessageSize), HandlerTime: uint64(i.limits.HandlerTime),
	}}})
	_, err = i.finish()
	return err
}

// open opens the stream that all calls go by.
func (i *instance) open() (err error) {
	i.stream, err = i.process.Conn().NewStream(i.ctx, &pluginv1.Component_ServiceDesc.Streams[0], pluginv1.Component_Run_FullMethodName,
		grpc.ForceCodecV2(frame.Codec{}), grpc.MaxCallRecvMsgSize(i.limits.MessageSize+frameSlack))
	return err
}

// watch notices the end of the process between calls. In a call the stream's end
// says it sooner.
func (i *instance) watch() {
	defer close(i.watched)
	<-i.process.Done()
	i.noteEnd()
}

func (i *instance) noteEnd() {
	if i.state.CompareAndSwap(idle, died) && i.ended != nil {
		i.ended()
	}
}

// enter begins a call, unless the instance has ended.
func (i *instance) enter() error {
	if !i.state.CompareAndSwap(idle, busy) {
		return i.refusal()
	}
	return nil
}

func (i *instance) refusal() error {
	switch i.state.Load() {
	case died:
		return i.end(&core.TrapError{Kind: core.TrapFault, Text: i.whyEnded()}, nil)
	case interrupted:
		return i.end(&core.TrapError{Kind: core.TrapHandler, Text: i.tooLong()}, nil)
	case trapped:
		return i.trap
	}
	return core.ErrClosed
}

// tooLong says why the host may have interrupted a call.
func (i *instance) tooLong() string {
	name, limit := "limits.handler_time", i.limits.HandlerTime
	if i.lastCall <= 1 { // of Start
		name, limit = "limits.start_time", i.limits.StartTime
	}
	return fmt.Sprintf("the process was killed: not done within %s (%v), or the host ended it", name, limit)
}

// leave ends a call that went by the protocol and returned err.
func (i *instance) leave(err error) error {
	if !i.state.CompareAndSwap(busy, idle) {
		return i.refusal()
	}
	select {
	case <-i.process.Done(): // the watcher came while the call was in progress
		i.noteEnd()
	default:
	}
	return err
}

// end buries the instance for a reason that cause, if not nil, is. Its process is
// killed, unless it is about to end by itself.
func (i *instance) end(trap *core.TrapError, cause error) error {
	i.state.Store(trapped)
	i.cancel()
	if i.process != nil && !i.leaving {
		i.process.Kill()
		trap.Details = cmp.Or(trap.Details, i.lastLines())
	}
	if i.trap = trap; cause != nil {
		i.trap = &endError{trap, cause}
	}
	return i.trap
}

// lastLines returns what the process, which has been killed, has said last.
func (i *instance) lastLines() string {
	late := time.NewTimer(endTimeout)
	defer late.Stop()
	select {
	case <-i.process.Done():
		return i.process.Exit().Details
	case <-late.C: // the system does not let go of it
		return ""
	}
}

// rescue, deferred, ends the instance when one of the host's services panics.
func (i *instance) rescue(err *error) {
	if reason := recover(); reason != nil {
		*err = i.end(&core.TrapError{Kind: core.TrapFault, Text: "the host's service panicked", Details: string(debug.Stack())}, nil)
	}
}

// Interrupt kills the process. Before it has started, its start fails.
func (i *instance) Interrupt() {
	if i.state.CompareAndSwap(idle, interrupted) || i.state.CompareAndSwap(busy, interrupted) {
		i.cancel()
	}
}

// Close ends the process: one that has not trapped may end by itself, and so may one
// that has said that it will.
func (i *instance) Close() error {
	before := i.state.Swap(closed)
	if before == closed {
		return nil
	}
	defer i.released()
	if i.process != nil {
		if before != idle && !i.leaving {
			i.process.Kill()
		}
		err := end(i.process)
		<-i.watched
		if before == idle && err != nil {
			i.tellBadEnd(err)
		}
	}
	i.cancel()
	return nil
}

// tellBadEnd logs how a process has ended that had been asked to, and should have
// exited with status 0 soon.
func (i *instance) tellBadEnd(err error) {
	if errors.Is(err, spawn.ErrKilled) {
		i.log.Warn("process was killed: it had not ended when it was asked to", "within", endTimeout)
		return
	}
	i.log.Error("process failed when it was asked to end", "reason", err.Error(), "details", spawn.Details(err))
}

// whyEnded says how the process ended, which has or is about to. It waits for its last
// words.
func (i *instance) whyEnded() string {
	if err := end(i.process); errors.Is(err, spawn.ErrKilled) {
		return "the process closed its connection"
	}
	return oneLine("the process ended: " + i.process.Exit().Error())
}
