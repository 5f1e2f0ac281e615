package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// Function is a function that components may call while they handle a message, if their
// [Capabilities] grant it. It runs on the goroutine of the caller's call, and several calls
// may run at the same time.
//
// caller is the component that calls. argument is the caller's memory, and valid only until
// the function returns. The result belongs to the host until the caller's next call.
//
// ctx ends at the earliest of these: nine tenths of the caller's limits.handler_wall_time
// since the call of its guest began, or of limits.start_time while it starts; the deadline
// of the request that the caller handles; [FunctionOptions].Timeout; the end of Stop's time;
// the interruption of the caller. It holds no values, and is valid only until the function
// returns. A function that returns after its end is unavailable for the caller.
//
// The caller gets an error as failed, with its text. A panic is failed too, and is logged
// with its stack. A result that is larger than the caller's quota.message_size is failed.
// A function must not end its goroutine, as runtime.Goexit and FailNow of a test do: its
// caller, and Stop, would wait for it for ever.
type Function func(ctx context.Context, caller core.ComponentID, argument []byte) ([]byte, error)

// FunctionOptions are the settings of one function.
type FunctionOptions struct {
	// Component, if not zero, is the component that provides the function: its
	// handle-message is called with the caller as sender, and its response is the result.
	// Then [Config.Functions] has no function of the name.
	Component core.ComponentID
	// Timeout is how long a call may take; 0 sets no limit beside those of [Function].
	Timeout time.Duration
	// MaxConcurrent is how many calls of the function may run and wait at the same time,
	// 64 by default. The caller of one more gets unavailable.
	MaxConcurrent int
}

// defaultConcurrent is the default of MaxConcurrent.
const defaultConcurrent = 64

// function is a function with its state.
type function struct {
	name     string
	call     Function         // nil if a component provides it, or the host itself
	own      *ownFunction     // of the host itself, or nil
	provider core.ComponentID // that provides it
	timeout  time.Duration    // math.MaxInt64 if there is none
	most     int64            // calls at the same time
	running  atomic.Int64     // calls now

	busy, late *core.CallError
}

// enter begins a call, unless there are too many.
func (f *function) enter() bool {
	if f.running.Add(1) <= f.most {
		return true
	}
	f.running.Add(-1)
	return false
}

func (f *function) leave() { f.running.Add(-1) }

// newFunctions checks the functions of a configuration, and makes them.
func newFunctions(c *Config) (map[string]*function, error) {
	all := make(map[string]*function)
	for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
		if c.Functions[name] == nil {
			return nil, fmt.Errorf("the function %q is nil", name)
		}
		all[name] = &function{call: c.Functions[name]}
	}
	for name, o := range c.FunctionOptions {
		if all[name] == nil && !o.Component.IsZero() {
			all[name] = new(function)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.FunctionOptions)) {
		if err := c.FunctionOptions[name].check(all[name]); err != nil {
			return nil, fmt.Errorf("options of the function %q: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := checkFunctionName(name); err != nil {
			return nil, err
		}
		all[name].set(name, c.FunctionOptions[name])
	}
	return all, nil
}

// check checks the options of f, which is nil if there is none.
func (o FunctionOptions) check(f *function) error {
	switch {
	case f == nil:
		return errors.New("there is no function of this name; add it to Functions, or name the Component that provides it")
	case f.call != nil && !o.Component.IsZero():
		return fmt.Errorf("it has the Component %s and is in Functions as well; leave one of them out", o.Component)
	case o.Component.Namespace() == core.HostNamespace:
		return fmt.Errorf("its Component is %s, and the namespace %s is the host's own", o.Component, core.HostNamespace)
	}
	return cmp.Or(
		core.CheckTime("Timeout", o.Timeout, 1, core.MaxTimeout),
		core.CheckCount("MaxConcurrent", int64(o.MaxConcurrent), 1, math.MaxInt32),
	)
}

func (f *function) set(name string, o FunctionOptions) {
	f.name, f.provider = name, o.Component
	f.timeout = orDefault(o.Timeout, math.MaxInt64)
	f.most = int64(orDefault(o.MaxConcurrent, defaultConcurrent))
	f.busy = unavailable(name + ": max_concurrent")
	f.late = unavailable(name + " did not end in time")
}

func unavailable(text string) *core.CallError {
	return &core.CallError{Case: core.CallUnavailable, Text: core.CutText(text, core.MaxErrorText)}
}

func failed(text string) *core.CallError {
	return &core.CallError{Case: core.CallFailed, Text: core.CutText(text, core.MaxErrorText)}
}
