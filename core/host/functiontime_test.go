package host_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// untilDone is a function that returns when its context has ended, with the reason.
func untilDone(ctx context.Context, _ core.ComponentID, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// timedCaller is the deployment of a caller with handler times.
func timedCaller(t testing.TB, name string, handler, wall time.Duration) host.Deployment {
	x := caller()
	x.traits.Enforces = core.LimitHandlerWallTime
	d := callerDeployment(t, name, x)
	d.Limits.HandlerTime, d.Limits.HandlerWallTime = handler, wall
	return d
}

// The context ends at nine tenths of the caller's wall time, at the function's timeout, and at
// the deadline of the request that the caller handles; the caller goes on.
func TestFunctionDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{
			Functions: map[string]host.Function{"f/wait": untilDone, "f/short": untilDone, "f/upper": upper},
			FunctionOptions: map[string]host.FunctionOptions{
				"f/short": {Timeout: 30 * time.Millisecond},
			},
		})
		check(t, h.Deploy(within(t), timedCaller(t, "a/x", 100*time.Millisecond, time.Second)))
		asker := &toy{traits: core.Traits{Callback: true}, answer: func(i *toyInstance, _ core.ComponentID, _ []byte) ([]byte, error) {
			_, err := i.env.Host.SendRequest([]byte("a/x"), []byte("f/wait"), 200)
			return nil, err
		}}
		check(t, h.Deploy(within(t), toyDeployment("b/y", asker)))
		for _, test := range []struct {
			ask   func()
			after time.Duration
		}{
			{func() { h.calls("f/wait", "unavailable: f/wait did not end in time") }, 900 * time.Millisecond},
			{func() { h.calls("f/short", "unavailable: f/short did not end in time") }, 30 * time.Millisecond},
			{func() { h.do("b/y"); h.quiesce() }, 200 * time.Millisecond},
		} {
			began := time.Now()
			test.ask()
			if took := time.Since(began); took < test.after-2*time.Millisecond || took > test.after+20*time.Millisecond {
				t.Errorf("took %v, want %v", took, test.after)
			}
		}
		h.calls("f/upper bolt", "ok: a/x BOLT") // with a context of its own again
		for _, s := range h.Components() {
			equal(t, "traps of "+s.ID.String(), s.Counters.Traps, 0)
		}
		equal(t, "unavailable calls", h.Snapshot().FailedCalls["unavailable"], 3)
	})
}

// Several functions in one call share its wall time.
func TestFunctionsShareWallTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Functions: map[string]host.Function{
			"f/slow": func(ctx context.Context, _ core.ComponentID, _ []byte) ([]byte, error) {
				select {
				case <-time.After(400 * time.Millisecond):
					return []byte("done"), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
		}})
		x := &toy{answer: func(i *toyInstance, _ core.ComponentID, _ []byte) ([]byte, error) {
			return []byte(i.call("f/slow", "") + ", " + i.call("f/slow", "") + ", " + i.call("f/slow", "")), nil
		}}
		x.traits.Enforces = core.LimitHandlerWallTime
		d := callerDeployment(t, "a/x", x)
		d.Limits.HandlerTime, d.Limits.HandlerWallTime = 100*time.Millisecond, time.Second
		check(t, h.Deploy(within(t), d))
		h.calls("", "ok: done, ok: done, unavailable: f/slow did not end in time")
	})
}

// The time of functions is not the guest's: after functions it still has its handler time, and
// no more.
func TestFunctionTimeIsNotTheGuests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Functions: map[string]host.Function{
			"f/slow": func(context.Context, core.ComponentID, []byte) ([]byte, error) {
				<-time.After(300 * time.Millisecond)
				return nil, nil
			},
		}})
		x := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
			i.call("f/slow", "")
			select {
			case <-time.After(map[string]time.Duration{"quick": 50, "slow": 500}[string(message)] * time.Millisecond):
				return []byte("done"), nil
			case <-i.interrupted:
				return nil, &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}
			}
		}}
		x.traits.Enforces = core.LimitHandlerWallTime
		d := callerDeployment(t, "a/x", x)
		d.Limits.HandlerTime, d.Limits.HandlerWallTime = 100*time.Millisecond, time.Second
		check(t, h.Deploy(within(t), d))
		h.calls("quick", "done")
		began := time.Now()
		_, err := h.request("a/x", "slow")
		isError(t, "a guest that runs too long", err, core.ErrRequestTrapped)
		if took := time.Since(began); took < 400*time.Millisecond || took > 420*time.Millisecond {
			t.Errorf("interrupted after %v, want 400ms", took)
		}
	})
}

func TestFunctionMaxConcurrent(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	h := start(t, host.Config{
		Functions: map[string]host.Function{"f/block": func(context.Context, core.ComponentID, []byte) ([]byte, error) {
			begun <- struct{}{}
			<-end
			return nil, nil
		}},
		FunctionOptions: map[string]host.FunctionOptions{"f/block": {MaxConcurrent: 2}},
	})
	d := timedCaller(t, "a/x", 20*time.Second, 20*time.Second)
	d.Instances = 3
	check(t, h.Deploy(within(t), d))
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { h.calls("f/block", "ok: ") })
		<-begun
	}
	h.calls("f/block", "unavailable: f/block: max_concurrent")
	close(end)
	all.Wait()
	go func() { <-begun }()
	h.calls("f/block", "ok: ")
}

// Stop, out of time, ends the contexts of functions.
func TestFunctionOfStoppingHost(t *testing.T) {
	ended := make(chan error, 1)
	begun := make(chan struct{})
	h := start(t, host.Config{DrainTimeout: time.Millisecond, Functions: map[string]host.Function{
		"f/wait": func(ctx context.Context, _ core.ComponentID, _ []byte) ([]byte, error) {
			close(begun)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		},
	}})
	check(t, h.Deploy(within(t), timedCaller(t, "a/x", time.Minute, time.Hour)))
	check(t, h.Send(id("a/x"), []byte("f/wait")))
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Stop(ctx) // it says that a/x was interrupted
	isError(t, "the context", receive(t, "the end of the function", ended), context.Canceled)
}

// A context that a function keeps has ended, whatever the component calls next.
func TestFunctionContextEnds(t *testing.T) {
	var kept []context.Context
	h := start(t, host.Config{Functions: map[string]host.Function{
		"f/keep": func(ctx context.Context, _ core.ComponentID, asks []byte) ([]byte, error) {
			if _, limited := ctx.Deadline(); !limited || ctx.Value("key") != nil || ctx.Err() != nil {
				return nil, errors.New("a wrong context")
			}
			if string(asks) == "done" {
				_ = ctx.Done()
				kept = append(kept, ctx)
			}
			return nil, nil
		},
	}})
	h.deployCaller("a/x")
	for _, message := range []string{"f/keep done", "f/keep", "f/keep done", "f/keep"} {
		h.calls(message, "ok: ")
	}
	for _, ctx := range kept {
		<-ctx.Done()
		isError(t, "a kept context", ctx.Err(), context.Canceled)
	}
	equal(t, "kept contexts", len(kept), 2)
}
