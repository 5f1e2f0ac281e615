package host_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestInstancesAreChecked: the number and the spread have bounds.
func TestInstancesAreChecked(t *testing.T) {
	h := start(t, host.Config{})
	for _, d := range []host.Deployment{
		several("a/pool", -2, "", sameFor(echo)), several("a/pool", host.MaxInstances+1, "", sameFor(echo)),
		several("a/pool", 2, "anyone", sameFor(echo)),
	} {
		err := h.Deploy(within(t), d)
		isError(t, fmt.Sprintf("%d instances, spread %q", d.Instances, d.Spread), err, host.ErrInvalidDeployment)
		isError(t, fmt.Sprintf("%d instances, spread %q", d.Instances, d.Spread), err, core.ErrOutOfRange)
	}
	check(t, h.Deploy(within(t), several("a/pool", host.MaxInstances, "", sameFor(echo))))
	equal(t, "instances", instancesOf(h, "a/pool"), host.MaxInstances)
	h.do("a/pool")
	one := several("a/pool", 1, "", nil)
	one.Source = core.Source{}
	check(t, h.Update(within(t), one))
	h.do("a/pool")
	equal(t, "instances", instancesOf(h, "a/pool"), 1)
}

// TestBoundsOnTheSum: the mailbox, the pending requests and the rate of a component are the
// same for several instances as for one.
func TestBoundsOnTheSum(t *testing.T) {
	t.Run("mailbox", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 3})
			release := make(chan struct{})
			d := several("a/pool", 3, "", sameFor(behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }}))
			d.Limits.Mailbox = 8
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(t.Context(), d))
			taken := 0
			for range 50 {
				if err := h.Send(id("a/pool"), nil); err == nil {
					taken++
				} else {
					isError(t, "send to a full mailbox", err, core.ErrQueueFull)
				}
				synctest.Wait()
			}
			equal(t, "messages taken", taken, 8+3)
			equal(t, "messages waiting", h.Components()[0].Waiting, 8)
			close(release)
			h.balance()
		})
	})
	t.Run("shares", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{})
			release := make(chan struct{})
			d := several("a/pool", 2, "", sameFor(behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }}))
			d.Limits.Mailbox = 16
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(t.Context(), d))
			var taken atomic.Int64
			h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				for range 40 {
					if g.Send("a/pool", nil) == nil {
						taken.Add(1)
					}
				}
				return nil, nil
			}})
			h.do("a/sender")
			if got := taken.Load(); got < 12 || got > 14 {
				t.Errorf("one sender holds %d of 16 places, want three quarters and the one that is handled", got)
			}
			close(release)
			h.balance()
		})
	})
	t.Run("requests", func(t *testing.T) {
		const most = 21
		h := start(t, host.Config{})
		release := make(chan struct{})
		h.deploy("a/slow", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-release; return nil, nil }})
		var taken, ended atomic.Int64
		d := several("a/pool", 4, "", sameFor(behaviour{
			message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				for range most {
					if _, err := g.Request("a/slow", nil, time.Hour); err == nil {
						taken.Add(1)
					} else {
						isError(t, "one request too many", err, core.ErrQuotaExceeded)
					}
				}
				return nil, nil
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error { ended.Add(1); return nil },
		}))
		d.Quota.PendingRequests = most
		check(t, h.Deploy(within(t), d))
		round := func() {
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() { h.do("a/pool") })
			}
			callers.Wait()
		}
		round()
		round()
		equal(t, "requests pending", taken.Load(), most)
		close(release)
		h.balance()
		equal(t, "callbacks", ended.Load(), most)
		round()
		h.balance()
		equal(t, "all requests have ended", ended.Load(), taken.Load())
		if taken.Load() < 2*most {
			t.Errorf("%d requests were taken, the places of those that have ended are lost", taken.Load())
		}
	})
	t.Run("rate", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			const burst = 100
			h := start(t, host.Config{})
			h.deploy("a/sink", echo)
			var taken atomic.Int64
			d := several("a/pool", 4, "", sameFor(behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				for range 30 {
					if g.Send("a/sink", nil) == nil {
						taken.Add(1)
					}
				}
				return nil, nil
			}}))
			d.Quota = host.Quota{MessagesPerSecond: 10, Burst: burst}
			check(t, h.Deploy(t.Context(), d))
			round := func() {
				var callers sync.WaitGroup
				for range 8 {
					callers.Go(func() { h.do("a/pool") })
				}
				callers.Wait()
			}
			round()
			round()
			equal(t, "messages taken at once", taken.Load(), burst)
			<-time.After(time.Second + time.Millisecond)
			round()
			equal(t, "messages taken a second later", taken.Load(), burst+10)
			<-time.After(time.Hour)
			round()
			round()
			equal(t, "messages taken after a pause", taken.Load(), 2*burst+10)
			h.balance()
		})
	})
}

// TestAcceptOfInstances: several instances together accept the rate of one, of requests that
// run directly on an instance and of others.
func TestAcceptOfInstances(t *testing.T) {
	for name, ctx := range map[string]context.Context{"direct": context.Background(), "sent": nil} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				d := several("a/pool", 3, "", sameFor(echo))
				d.Accept = host.Accept{MessagesPerSecond: 1, Burst: 6}
				check(t, h.Deploy(t.Context(), d))
				if ctx == nil {
					ctx = t.Context() // it can end, so a Go component does not run directly
				}
				taken := 0
				for range 20 {
					if _, err := h.Request(ctx, d.ID, nil); err == nil {
						taken++
					} else {
						isError(t, "one request too many", err, core.ErrQueueFull)
					}
				}
				equal(t, "requests taken", taken, 6)
				h.balance()
			})
		})
	}
}

// TestForgottenRequestsOfInstancesThatFailAtOnce: the requests of instances that fail in the same
// moment leave their places too.
func TestForgottenRequestsOfInstancesThatFailAtOnce(t *testing.T) {
	h := start(t, host.Config{})
	gate := make(chan struct{})
	h.deploy("a/target", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-gate; return nil, nil }})
	const n = 2
	d := several("a/asker", n, "", sameFor(asker("a/target")))
	d.Quota.PendingRequests = n
	d.Restart = host.Restart{Policy: host.RestartTemporary}
	check(t, h.Deploy(within(t), d))
	for range 200 {
		for range n {
			h.do("a/asker")
		}
		var senders sync.WaitGroup
		for range n {
			senders.Go(func() {
				var err error
				for !errors.Is(err, core.ErrUnavailable) {
					err = h.Send(d.ID, []byte("trap"))
				}
			})
		}
		senders.Wait() // the last instance has failed
		check(t, h.Restart(within(t), d.ID))
	}
	close(gate)
}

// TestForgottenRequestsDoNotCount: the requests that a component had pending when it failed
// leave their places to others when it is back.
func TestForgottenRequestsDoNotCount(t *testing.T) {
	for _, n := range []int{1, 2} {
		h := start(t, host.Config{})
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { <-gate; return nil, nil }})
		d := several("a/asker", n, "", sameFor(asker("a/target")))
		d.Quota.PendingRequests = n
		d.Restart = host.Restart{Policy: host.RestartTemporary}
		check(t, h.Deploy(within(t), d))
		for range n {
			h.do("a/asker")
		}
		_, err := h.request("a/asker", "")
		isError(t, "one request too many", err, core.ErrRequestFailed)
		for range n {
			_, err = h.request("a/asker", "trap")
			isError(t, "request that traps", err, core.ErrRequestTrapped)
		}
		h.waitFor("the failure", func() bool { return h.component("a/asker").State == "failed" }) // the answers come before it
		check(t, h.Restart(within(t), d.ID))
		for range n {
			h.do("a/asker")
		}
		close(gate)
		h.balance()
	}
}
