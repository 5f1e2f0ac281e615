package host_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// background runs f on a goroutine, and returns a channel for its error.
func background(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// limited is a context that ends after d.
func limited(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestLeftBehindIsRemoved: when a component that Stop has left behind goes on, the
// host refuses its messages. It handles no more messages, and is removed after its
// call.
func TestLeftBehindIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Millisecond})
		release := make(chan struct{})
		var handled, closed atomic.Int32
		refusals := make(chan error, 2)
		d := deployment("a/stuck", behaviour{
			message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				handled.Add(1)
				<-release
				refusals <- g.Send("a/idle", nil)
				_, err := g.Request("a/idle", nil, 0)
				refusals <- err
				panic("on purpose")
			},
			shutdown: func(guest.Host) { closed.Add(1) },
		})
		check(t, h.Deploy(within(t), d))
		h.deploy("a/idle", echo)
		for range 3 {
			check(t, h.Send(d.ID, nil))
		}
		synctest.Wait()
		err := h.Stop(limited(t, time.Second))
		isError(t, "stop", err, context.DeadlineExceeded)
		contains(t, "stop", err.Error(), "a/stuck was left behind")
		equal(t, "components left", len(h.Components()), 1)
		close(release)
		synctest.Wait()
		for range 2 {
			isError(t, "a message of a component left behind", <-refusals, guest.ErrUnavailable)
		}
		equal(t, "messages handled", handled.Load(), 1)
		equal(t, "components left", len(h.Components()), 0)
		s := h.balance()
		equal(t, "dead letters", s.DeadLetters, 3)
		equal(t, "restarts", s.Restarts, 0)
	})
}

// TestStopIsOne: while a call of Stop stops the host, other calls wait for it until
// their contexts end, and return its result.
func TestStopIsOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Second})
		release := make(chan struct{})
		d := deployment("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		for range 2 {
			check(t, h.Send(d.ID, nil))
		}
		synctest.Wait()
		var stops []<-chan error
		for range 3 {
			stops = append(stops, background(func() error { return h.Stop(t.Context()) }))
		}
		synctest.Wait()
		err := h.Stop(limited(t, 2*time.Second))
		isError(t, "an impatient stop", err, context.DeadlineExceeded)
		contains(t, "an impatient stop", err.Error(), "still being stopped")
		close(release)
		first := <-stops[0]
		isError(t, "the first stop", first, host.ErrUnhandled)
		contains(t, "the first stop", first.Error(), "messages that were not handled: 1")
		for _, stop := range stops[1:] {
			equal(t, "another stop", <-stop, first)
		}
		equal(t, "a late stop", h.Stop(limited(t, 0)), first)
	})
}

// TestStopWaitsForWhatItInterrupts: without time Stop interrupts the calls in
// progress and waits for their ends. It counts the messages that were not handled.
func TestStopWaitsForWhatItInterrupts(t *testing.T) {
	for range 20 {
		h := start(t, host.Config{Workers: 3})
		loop := &toy{message: func(i *toyInstance, _ []byte) error { return i.hang() }}
		for n := range 2 {
			d := toyDeployment(fmt.Sprintf("a/loop%d", n), loop)
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(within(t), d))
			for range 3 {
				check(t, h.Send(d.ID, nil))
			}
			h.waitFor("the call", func() bool { return h.Components()[n].Waiting == 2 })
		}
		err := h.Stop(limited(t, 0))
		equal(t, "live instances", loop.live.Load(), 0)
		equal(t, "components left", len(h.Components()), 0)
		for _, want := range []string{"a/loop0 was interrupted", "a/loop1 was interrupted", "messages that were not handled: 6"} {
			contains(t, "stop", fmt.Sprint(err), want)
		}
	}
}

// TestStopBeforeStart: a host that was not started stops at once.
func TestStopBeforeStart(t *testing.T) {
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	h, err := host.New(host.Config{}, broker, tracker)
	check(t, err)
	for range 2 {
		check(t, h.Stop(limited(t, 0)))
	}
	check(t, tracker.Close())
}

// TestStopInterrupts: when its context ends, Stop interrupts the calls in progress.
func TestStopInterrupts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Millisecond})
		loop := &toy{message: func(i *toyInstance, _ []byte) error { return i.hang() }}
		d := toyDeployment("a/loop", loop)
		d.Limits.HandlerTime, d.Limits.StartTime = time.Hour, time.Hour
		check(t, h.Deploy(t.Context(), d))
		check(t, h.Send(d.ID, nil))
		synctest.Wait()
		isError(t, "stop", h.Stop(limited(t, time.Second)), context.DeadlineExceeded)
		synctest.Wait()
		equal(t, "live instances", loop.live.Load(), 0)
		equal(t, "components left", len(h.Components()), 0)
		h.balance()
	})
}

// TestStopDuringDeployment: Stop waits for a deployment in progress, and removes its
// component.
func TestStopDuringDeployment(t *testing.T) {
	for name, step := range map[string]func(*toy, func()){
		"compile":    func(c *toy, wait func()) { c.compile = func(context.Context) error { wait(); return nil } },
		"initialize": func(c *toy, wait func()) { c.initialize = func(*toyInstance) error { wait(); return nil } },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				release := make(chan struct{})
				late := new(toy)
				step(late, func() { <-release })
				d := toyDeployment("a/late", late)
				d.Limits.HandlerTime, d.Limits.StartTime = time.Hour, time.Hour
				deployed := background(func() error { return h.Deploy(t.Context(), d) })
				synctest.Wait()
				stopped := background(func() error { return h.Stop(t.Context()) })
				<-time.After(time.Minute) // the drain is over
				close(release)
				check(t, <-deployed)
				check(t, <-stopped)
				equal(t, "live instances", late.live.Load(), 0)
				equal(t, "components left", len(h.Components()), 0)
			})
		})
	}
}

// TestStopLeavesDeploymentBehind: a deployment that goes on after Stop fails, and
// its guest does not run without the watchdog.
func TestStopLeavesDeploymentBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		release := make(chan struct{})
		late := &toy{
			compile:    func(context.Context) error { <-release; return nil },
			initialize: func(i *toyInstance) error { return i.hang() },
		}
		deployed := background(func() error { return h.Deploy(t.Context(), toyDeployment("a/late", late)) })
		synctest.Wait()
		err := h.Stop(limited(t, time.Second))
		isError(t, "stop", err, context.DeadlineExceeded)
		contains(t, "stop", err.Error(), "a/late was left behind")
		close(release)
		if err := <-deployed; err == nil {
			t.Error("the deployment on a stopped host has succeeded")
		}
		equal(t, "live instances", late.live.Load(), 0)
		equal(t, "components left", len(h.Components()), 0)
	})
}

// TestStopDuringUndeployment: Stop waits for an undeployment in progress.
func TestStopDuringUndeployment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		h.deploy("a/slow", behaviour{shutdown: func(guest.Host) { <-time.After(100 * time.Millisecond) }})
		undeployed := background(func() error { return h.Undeploy(t.Context(), id("a/slow")) })
		synctest.Wait()
		check(t, h.Stop(t.Context()))
		select {
		case err := <-undeployed:
			check(t, err)
		default:
			t.Error("Stop returned during an undeployment")
		}
	})
}

// TestStopIsNotHeldUp: Stop returns at the end of its context even if guests that
// cannot be interrupted block it, also in the calls that Stop makes.
func TestStopIsNotHeldUp(t *testing.T) {
	hold := make(chan struct{})
	for name, stuck := range map[string]behaviour{
		"shutdown": {shutdown: func(guest.Host) { <-hold }},
		"callback": {
			message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				if string(message) == "go" {
					_, err := g.Request("b/never", nil, time.Hour)
					return nil, err
				}
				return nil, nil
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error { <-hold; return nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				hold = make(chan struct{})
				h := start(t, host.Config{DrainTimeout: time.Millisecond})
				var shut atomic.Int32
				h.deploy("a/stuck", stuck)
				never := deployment("b/never", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
				never.Restart = host.Restart{Backoff: time.Hour, MaxBackoff: time.Hour}
				check(t, h.Deploy(t.Context(), never))
				for range 3 { // so that it is down for long
					check(t, h.Send(never.ID, nil))
				}
				h.deploy("c/neighbour", behaviour{shutdown: func(guest.Host) { shut.Add(1) }})
				check(t, h.Send(id("a/stuck"), []byte("go")))
				synctest.Wait()
				err := h.Stop(limited(t, time.Second))
				isError(t, "stop", err, context.DeadlineExceeded)
				contains(t, "stop", err.Error(), "a/stuck was left behind")
				equal(t, "components left", len(h.Components()), 1)
				close(hold)
				synctest.Wait()
				equal(t, "components left after its call", len(h.Components()), 0)
				equal(t, "pending", h.Snapshot().Pending, 0)
			})
		})
	}
}

// TestStopWithAnEndedContext: Stop stops an idle host without shutting its guests
// down, and returns an error that says so.
func TestStopWithAnEndedContext(t *testing.T) {
	for range 20 {
		h := start(t, host.Config{})
		h.deploy("a/echo", behaviour{shutdown: func(guest.Host) { t.Error("shutdown was called") }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		equal(t, "stop", fmt.Sprint(h.Stop(ctx)), "a/echo was not shut down: context canceled")
		equal(t, "components left", len(h.Components()), 0)
	}
}

// TestCallbacksAtStop: all requests get their callbacks, even if the broker delivers
// messages while Stop makes these calls.
func TestCallbacksAtStop(t *testing.T) {
	broker, err := newInproc()
	check(t, err)
	late := &lateBroker{Broker: broker, late: map[core.ComponentID]bool{id("b/asker"): true, id("c/silent"): true}}
	h := parts{broker: func() (core.Broker, error) { return late, nil }, tracker: newSlab}.start(t, host.Config{DrainTimeout: time.Millisecond})
	o := newOutcomes()
	ask := func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		_, err := g.Request("b/asker", nil, time.Hour) // it comes too late for an answer
		return nil, err
	}
	h.deploy("c/silent", echo)
	h.deploy("a/first", behaviour{message: ask, callback: func(g guest.Host, id guest.RequestID, r []byte, err error) error {
		for _, deliver := range late.held {
			deliver()
		}
		return o.callback(g, id, r, err)
	}})
	h.deploy("b/asker", behaviour{
		start:    func(g guest.Host, _ guest.Config) error { _, err := g.Request("c/silent", nil, time.Hour); return err },
		callback: o.callback,
	})
	h.do("a/first")
	contains(t, "stop", fmt.Sprint(h.Stop(within(t))), "messages that were not handled: 2")
	for range 2 {
		equal(t, "outcome", receive(t, "callback", o.got), "unavailable: host stopping")
	}
	h.balance()
}

// TestSlowRequesterAtStop: a Go program's request ends even if the tracker is closed
// before the program sees that the host has stopped.
func TestSlowRequesterAtStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		forgotten := make(chan struct{})
		tracker := &trackerHooks{cancel: func() { <-forgotten }, close: func() { close(forgotten) }}
		h := tracker.start(t, host.Config{DrainTimeout: time.Millisecond})
		release := make(chan struct{})
		h.deploy("b/stuck", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
		check(t, h.Send(id("b/stuck"), nil))
		asked := background(func() error {
			_, err := h.Request(t.Context(), id("b/stuck"), nil)
			return err
		})
		synctest.Wait()
		isError(t, "stop", h.Stop(limited(t, time.Second)), context.DeadlineExceeded)
		isError(t, "the request", <-asked, core.ErrRequestUnavailable)
		close(release)
	})
}

// TestRefusedAfterExpiry: a request that expires while its target refuses it gets
// its callback, and is counted as a dead letter.
func TestRefusedAfterExpiry(t *testing.T) {
	tracker := new(trackerHooks)
	tracker.register = func(id core.RequestID, w core.Waiter) {
		if _, pending := tracker.Resolve(id); pending {
			w.Expired(id, core.ErrTimeout)
		}
	}
	h := tracker.start(t, host.Config{})
	small := deployment("a/small", echo)
	small.Limits.MessageSize = 1
	check(t, h.Deploy(within(t), small))
	o := newOutcomes()
	h.deploy("a/asker", o.requester("a/small", 0))
	check(t, h.Send(id("a/asker"), []byte("too large")))
	equal(t, "outcome", receive(t, "callback", o.got), "timeout")
	equal(t, "dead letters", h.balance().DeadLetters, 1)
}

// TestSubscribeAfterStop: a subscription to a stopped host ends at once.
func TestSubscribeAfterStop(t *testing.T) {
	h := start(t, host.Config{})
	check(t, h.Stop(within(t)))
	changes, cancel := h.Subscribe(1)
	defer cancel()
	if _, open := <-changes; open {
		t.Error("an event of a stopped host")
	}
}
