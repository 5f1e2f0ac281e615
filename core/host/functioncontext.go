package host

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// functionContext is the context of a function's call. The calls of a component share one,
// so that a call allocates nothing. A context that was asked for Done, or was canceled, is
// not used again.
type functionContext struct {
	host     *Host
	until    atomic.Int64 // when it ends, on the host's clock; 0 after the call
	canceled atomic.Bool
	asked    atomic.Pointer[doneSignal]
}

var _ context.Context = (*functionContext)(nil)

// begin makes x, or another context if x cannot be used again, the context of a call that
// ends at a time on the host's clock.
func (x *functionContext) begin(h *Host, until time.Duration) *functionContext {
	if x == nil || x.asked.Load() != nil || x.canceled.Load() {
		x = &functionContext{host: h}
	}
	x.until.Store(int64(max(1, until)))
	return x
}

// finish ends the context, because the call has ended.
func (x *functionContext) finish() {
	x.until.Store(0)
	if s := x.asked.Load(); s != nil {
		s.finish()
	}
}

// cancel ends the context, because the caller is interrupted. It may be called from any
// goroutine, and also after the call.
func (x *functionContext) cancel() {
	x.canceled.Store(true)
	if s := x.asked.Load(); s != nil {
		s.end()
	}
}

// Deadline implements [context.Context].
func (x *functionContext) Deadline() (deadline time.Time, ok bool) {
	until := x.until.Load()
	if until == math.MaxInt64 {
		return time.Time{}, false
	}
	return x.host.began.Add(time.Duration(until)), true
}

// Value implements [context.Context].
func (x *functionContext) Value(any) any { return nil }

// Err implements [context.Context].
func (x *functionContext) Err() error {
	until := time.Duration(x.until.Load())
	switch {
	case until == 0 || x.canceled.Load() || x.host.hurried.Err() != nil:
		return context.Canceled
	case x.host.clock.Exact() >= until:
		return context.DeadlineExceeded
	}
	return nil
}

// Done implements [context.Context].
func (x *functionContext) Done() <-chan struct{} {
	if x.asked.Load() == nil {
		s := &doneSignal{done: make(chan struct{})}
		if x.asked.CompareAndSwap(nil, s) {
			s.start(x)
		}
	}
	return x.asked.Load().done
}

// doneSignal is a functionContext's channel, once it was asked for, with all that closes it.
type doneSignal struct {
	done   chan struct{}
	closes sync.Once

	mu     sync.Mutex // guards the following
	over   bool
	timer  *time.Timer
	unhook func() bool
}

func (s *doneSignal) end() { s.closes.Do(func() { close(s.done) }) }

func (s *doneSignal) start(x *functionContext) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if until := time.Duration(x.until.Load()); until < math.MaxInt64 {
		s.timer = time.AfterFunc(until-x.host.clock.Exact(), s.end)
	}
	s.unhook = context.AfterFunc(x.host.hurried, s.end)
	if x.Err() != nil {
		s.end()
	}
}

func (s *doneSignal) finish() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	stopTimer(s.timer)
	if s.unhook != nil {
		s.unhook()
	}
}
