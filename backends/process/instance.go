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

// The states of an instance: idle and busy while it is alive, the others after it
// has ended.
const (
	idle        uint32 = iota
	busy               // in a call
	died               // the process has ended between calls
	interrupted        // by Instance.Interrupt
	trapped            // the reason is in instance.trap
	closed             // by Instance.Close
)

// frameSlack is the difference in bytes between the largest frame and the largest
// message. It is room for other events before the result.
const frameSlack = 64 << 10

// maxState is the largest state in bytes: protobuf has no messages of 2 GiB.
const maxState = 1 << 30

// instance is a process that runs a component.
type instance struct {
	state     atomic.Uint32
	ctx       context.Context // of the process's start and of the stream
	cancel    context.CancelFunc
	id        core.ComponentID
	host      core.Services
	timers    core.Timers
	callee    core.Functions
	publisher core.Publisher
	keyValue  core.KeyValue
	buckets   map[string]core.Bucket // that the process has opened
	onDeath   func()                 // reports to the host that the process has died between calls, or nil
	turns     turns

	released func() // called when the instance is closed
	traits   core.Traits
	limits   core.Limits
	log      *slog.Logger

	process    *spawn.Process
	running    atomic.Pointer[spawn.Process] // the same, for any goroutine
	stream     grpc.ClientStream
	watchEnded chan struct{} // closed when watch has returned

	// The fields below belong to the goroutine that calls the instance.
	lastCall uint64
	out, in  frame.Frame
	saving   bool   // a call of Save is in progress
	saved    []byte // the parts of the state that it has got so far
	exiting  bool   // the process has announced that it exits
	trap     error  // a TrapError, or an error that wraps one
}

var (
	_ core.Batcher     = (*instance)(nil)
	_ core.StateKeeper = (*instance)(nil)
	_ core.Sizer       = (*instance)(nil)
)

func newInstance(env core.Environment, traits core.Traits, log *slog.Logger) *instance {
	ctx, cancel := context.WithCancel(context.Background())
	limits := env.Limits.WithDefaults()
	limits.Memory = min(limits.Memory, maxState) // it bounds the state alone
	return &instance{
		ctx: ctx, cancel: cancel, id: env.ID, host: env.Host, timers: core.TimersOf(&env), callee: core.FunctionsOf(&env), keyValue: core.KeyValueOf(&env), publisher: core.PublisherOf(&env), onDeath: env.Ended, traits: traits,
		turns: turns{report: env.Wanted, begun: make(chan struct{}, 1)}, limits: limits, log: log.With("component", env.ID.String()),
	}
}

// start starts the process and makes its first call, which tells the component's id.
// It ends the process if ctx ends first.
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
		i.process, i.watchEnded = process, make(chan struct{})
		i.running.Store(process)
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
		return i.endReason()
	case err != nil:
		return i.end(&core.TrapError{Kind: core.TrapFault, Text: oneLine(err.Error()), Details: spawn.Details(err)}, err)
	}
	i.call(&pluginv1.Call{Call: &pluginv1.Call_Start{Start: &pluginv1.Start{
		ComponentId: i.id.String(), MessageSize: uint64(i.limits.MessageSize), HandlerTime: uint64(i.limits.HandlerTime), Timers: true, Functions: true, Turns: true, Topics: true, KeyValue: true,
	}}})
	if _, err = i.runCall(); err != nil || !c.turns {
		return err
	}
	return i.listen()
}

// open opens the stream for all calls.
func (i *instance) open() (err error) {
	i.stream, err = i.process.Conn().NewStream(i.ctx, &pluginv1.Component_ServiceDesc.Streams[0], pluginv1.Component_Run_FullMethodName,
		grpc.ForceCodecV2(frame.Codec{}), grpc.MaxCallRecvMsgSize(i.limits.MessageSize+frameSlack))
	return err
}

// watch waits for the end of the process and reports it between calls. During a call
// the stream reports it sooner.
func (i *instance) watch() {
	defer close(i.watchEnded)
	<-i.process.Done()
	i.markDied()
}

func (i *instance) markDied() {
	if i.state.CompareAndSwap(idle, died) && i.onDeath != nil {
		i.onDeath()
	}
}

// enter begins a call. It returns an error if the instance has ended.
func (i *instance) enter() error {
	if !i.state.CompareAndSwap(idle, busy) {
		return i.endReason()
	}
	return nil
}

// endReason returns the reason why the instance has ended. It turns a death between
// calls, or an interrupt, into a trap.
func (i *instance) endReason() error {
	switch i.state.Load() {
	case died:
		return i.end(&core.TrapError{Kind: core.TrapFault, Text: i.exitReason()}, nil)
	case interrupted:
		return i.end(i.interruption(), nil)
	case trapped:
		return i.trap
	}
	return core.ErrClosed
}

// interruption returns the trap for a call that the host has interrupted. It names
// the limit that the call has probably exceeded.
func (i *instance) interruption() *core.TrapError {
	name, limit := "limits.handler_time", i.limits.HandlerTime
	if i.lastCall <= 1 { // the call of Start
		name, limit = "limits.start_time", i.limits.StartTime
	}
	return &core.TrapError{Kind: core.TrapHandler, Text: fmt.Sprintf("the process was killed: not done within %s (%v), or the host ended it", name, limit)}
}

// leave ends a call that followed the protocol and returned err.
func (i *instance) leave(err error) error {
	if !i.state.CompareAndSwap(busy, idle) {
		return i.endReason()
	}
	select {
	case <-i.process.Done(): // watch has returned during the call
		i.markDied()
	default:
	}
	return err
}

// end ends the instance with trap. cause is the error behind trap, or nil. It kills
// the process unless that is about to exit by itself.
func (i *instance) end(trap *core.TrapError, cause error) error {
	i.state.Store(trapped)
	i.cancel()
	if i.process != nil && !i.exiting {
		i.process.Kill()
		trap.Details = cmp.Or(trap.Details, i.lastLines())
	}
	if i.trap = trap; cause != nil {
		i.trap = &endError{trap, cause}
	}
	return i.trap
}

// lastLines waits for a killed process to end and returns its last words.
func (i *instance) lastLines() string {
	late := time.NewTimer(endTimeout)
	defer late.Stop()
	select {
	case <-i.process.Done():
		return i.process.Exit().Details
	case <-late.C: // the system does not end it
		return ""
	}
}

// recoverPanic is deferred in each call. It ends the instance if one of the host's
// services panicked.
func (i *instance) recoverPanic(err *error) {
	if reason := recover(); reason != nil {
		*err = i.end(&core.TrapError{Kind: core.TrapFault, Text: "the host's service panicked", Details: string(debug.Stack())}, nil)
	}
}

// MemorySize implements [core.Sizer]: the resident memory of the process, without that of its
// children; 0 on other systems than Linux. It takes some microseconds.
func (i *instance) MemorySize(bool) int64 {
	process := i.running.Load()
	if process == nil {
		return 0
	}
	return process.Resident()
}

// Interrupt kills the process. If the process has not started yet, its start fails.
func (i *instance) Interrupt() {
	if i.state.CompareAndSwap(idle, interrupted) || i.state.CompareAndSwap(busy, interrupted) {
		i.cancel()
	}
}

// Close ends the process. A process that has not trapped, or has announced its exit,
// gets time to exit by itself.
func (i *instance) Close() error {
	before := i.state.Swap(closed)
	if before == closed {
		return nil
	}
	defer i.released()
	if i.process != nil {
		if before != idle && !i.exiting {
			i.process.Kill()
		}
		err := end(i.process)
		<-i.watchEnded
		if before == idle && err != nil {
			i.logBadExit(err)
		}
	}
	i.cancel()
	i.turns.listening.Wait()
	return nil
}

// logBadExit logs that a process did not exit with status 0 in time after it was
// asked to.
func (i *instance) logBadExit(err error) {
	if errors.Is(err, spawn.ErrKilled) {
		i.log.Warn("process was killed: it had not ended when it was asked to", "within", endTimeout)
		return
	}
	i.log.Error("process failed when it was asked to end", "reason", err.Error(), "details", spawn.Details(err))
}

// exitReason tells why the process has ended, or is about to. It waits for the
// process's last words.
func (i *instance) exitReason() string {
	if err := end(i.process); errors.Is(err, spawn.ErrKilled) {
		return "the process closed its connection"
	}
	return oneLine("the process ended: " + i.process.Exit().Error())
}
