package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// maxNesting is how many calls of functions may be nested: a component that handles one may
// call another one, and so on.
const maxNesting = 16

var errNesting = unavailable(fmt.Sprintf("functions are nested %d deep", maxNesting))

// serving is the call of a function that an instance handles.
type serving struct {
	caller *component    // that has lent its goroutine, or nil
	depth  int           // how many calls are nested, with this one; 0 if it handles none
	until  time.Duration // the caller's end, on the host's clock
	fast   bool          // the instance's last call before was fast
}

// ask calls a function that a component provides, which has been entered.
func (c *component) ask(f *function, argument []byte, until time.Duration) ([]byte, *core.CallError) {
	if c.serving.depth >= maxNesting {
		f.leave()
		return nil, errNesting
	}
	p, to, failure := c.host.find(f)
	if to != nil {
		return c.askElsewhere(f, to, argument)
	}
	if failure == nil {
		failure = p.admitCall(f, len(argument))
	}
	if failure != nil {
		f.leave()
		return nil, failure
	}
	by, failure := c.findInstance(f)
	if failure != nil {
		p.giveBack(1)
		f.leave()
		return nil, failure
	}
	by.serving.depth, by.serving.until = c.serving.depth+1, until
	c.host.waits.serve(c, f, by)
	if by.serving.fast && by.endsBefore(until) {
		return c.askInline(f, by, argument)
	}
	return c.askAside(f, by, argument)
}

// admitCall checks a call's argument against the limits of the component that provides it.
func (c *component) admitCall(f *function, size int) *core.CallError {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.sched.closed != nil:
		return f.refusedBy(c.sched.closed)
	case size > c.limits.MessageSize:
		return unavailable(c.refusals.tooLarge.Text)
	case !c.acceptsLocked(1):
		return unavailable(c.refusals.rate.Text)
	}
	return nil
}

// refusedBy returns why the provider takes no calls.
func (f *function) refusedBy(why *core.MessagingError) *core.CallError {
	if why.Case == core.CaseTargetNotFound {
		return f.notDeployed()
	}
	return unavailable(why.Text)
}

func (f *function) notDeployed() *core.CallError {
	return unavailable(f.provider.String() + ", which provides " + f.name + ", is not deployed")
}

// endsBefore reports whether a call of c ends before a time on the host's clock, even if its
// guest hangs or waits.
func (c *component) endsBefore(until time.Duration) bool {
	return c.traits.Interruptible && c.longestCall() <= until-c.host.clock.Now()
}

// findInstance makes the caller own an instance of f's provider, and begins a call of it. It
// waits until one is free, until the call ends, or until none can ever be free.
func (c *component) findInstance(f *function) (*component, *core.CallError) {
	instances, failure := c.host.providing(f)
	if failure != nil {
		return nil, failure
	}
	if by, _ := lineUp(instances, nil); by != nil {
		return by, nil
	}
	w := &c.host.waits
	w.inLine.Add(1)
	defer w.inLine.Add(-1)
	root := c.root()
	root.standsInLine(true)
	defer root.standsInLine(false)
	t := newTicket()
	by, failure := c.standInLine(f, t)
	if failure != nil {
		w.end(c)
	}
	if late := t.leaveLines(by); late != nil {
		late.endServing(nil)
	}
	return by, failure
}

// providing returns the instances of f's provider.
func (h *Host) providing(f *function) ([]*component, *core.CallError) {
	p := h.local.find(f.provider)
	if p == nil {
		return nil, f.notDeployed()
	}
	instances, why := p.instances()
	if why != nil {
		return nil, f.refusedBy(why)
	}
	return instances, nil
}

// standInLine waits in the lines of all instances of f's provider. When instances come or go it
// looks again.
func (c *component) standInLine(f *function, t *ticket) (*component, *core.CallError) {
	h := c.host
	for {
		change := h.waits.next()
		instances, failure := h.providing(f)
		if failure != nil {
			return nil, failure
		}
		if ring := h.waits.wait(c, f); ring != "" {
			return nil, unavailable(ring)
		}
		by, away := lineUp(instances, t)
		if by != nil {
			return by, nil
		}
		if away && h.stopping.Load() {
			return nil, unavailable(errStopping.Text)
		}
		select {
		case by := <-t.granted:
			return by, nil
		case <-change:
		case <-c.calling.ctx.Done():
			return nil, f.late
		}
	}
}

// root returns the component that a worker or a Go program runs, and within it c's call.
func (c *component) root() *component {
	for c.serving.caller != nil {
		c = c.serving.caller
	}
	return c
}

// standsInLine notes that c's worker waits for an instance. Components that wait for the worker
// go to others, and it is replaced also at the ceiling: it may wait for something that only
// another worker does.
func (c *component) standsInLine(stands bool) {
	if c.sched.worker == nil {
		return
	}
	c.mu.Lock()
	c.call.inLine = stands
	c.mu.Unlock()
	if stands {
		c.host.workers.handOff(c)
	}
}

// askInline makes an instance answer on the caller's goroutine.
func (c *component) askInline(f *function, by *component, argument []byte) ([]byte, *core.CallError) {
	defer f.leave()
	by.serving.caller = c
	buffer := c.calling.buffer
	if cap(buffer) > maxSpare {
		buffer = nil
	}
	result, failure := by.serve(c, buffer[:0], argument)
	c.calling.buffer = result
	return result, failure
}

// serve makes c answer a call of a function, and gives up c. The caller owns it and has begun
// the call.
func (c *component) serve(caller *component, dst, argument []byte) ([]byte, *core.CallError) {
	result, err := c.answer(caller.id, dst, argument)
	c.host.waits.served(caller, c) // before others can have c
	if err == nil {
		c.endServing(nil)
		return result, nil
	}
	trap, failure := c.failedDirectly(caller.id, argument, err)
	c.endServing(trap)
	return nil, failedBy(failure)
}

// failedBy returns the failure of a call that ended with an error of a request.
func failedBy(err error) *core.CallError {
	var why *core.RequestError
	if !errors.As(err, &why) {
		return unavailable(err.Error())
	}
	switch {
	case why.Reason == core.ReasonTrapped:
		return failed(why.Error())
	case why.Reason == core.ReasonFailed && why.Text != "":
		return failed(why.Text)
	case why.Reason == core.ReasonFailed:
		return failed(why.Error())
	}
	return unavailable(why.Error())
}

// served is the result of a call on a goroutine of its own.
type served struct {
	result  []byte
	failure *core.CallError
}

// askAside makes an instance answer on a goroutine of its own, because it may not end before the
// caller must.
func (c *component) askAside(f *function, by *component, argument []byte) ([]byte, *core.CallError) {
	root := c.root()
	root.standsInLine(true)
	defer root.standsInLine(false)
	done := make(chan served, 1)
	copied := slices.Clone(argument)
	go func() {
		defer f.leave()
		result, failure := by.serve(c, nil, copied)
		done <- served{result, failure}
	}()
	select {
	case s := <-done:
		return s.result, s.failure
	case <-c.calling.ctx.Done():
		c.host.waits.served(c, by)
		return nil, f.late
	}
}

// askElsewhere calls a function of a component that is not on this host, by a request.
func (c *component) askElsewhere(f *function, to core.Receiver, argument []byte) ([]byte, *core.CallError) {
	defer f.leave()
	root := c.root()
	root.standsInLine(true)
	defer root.standsInLine(false)
	ctx := c.calling.ctx
	call, err := c.host.begin(ctx, c.id, f.provider, to, argument)
	if err != nil {
		return nil, f.refusedBy(refusalOf(err))
	}
	result, err := c.host.wait(ctx, nil, call)
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, core.ErrTargetRemoved):
		return nil, f.notDeployed()
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return nil, f.late
	}
	return nil, failedBy(err)
}

// find returns the component that provides f, or the way to another host that has it.
func (h *Host) find(f *function) (p *component, to core.Receiver, failure *core.CallError) {
	if p = h.local.find(f.provider); p != nil {
		return p, nil, nil
	}
	to, err := h.route(f.provider)
	if p = h.local.find(f.provider); p != nil { // deployed in the same moment
		return p, nil, nil
	}
	if err != nil {
		return nil, nil, f.refusedBy(refusalOf(err))
	}
	return nil, to, nil
}
