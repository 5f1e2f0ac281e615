package host_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// several is a deployment of a component with n instances; create makes each one's value.
func several(name string, n int, spread host.Spread, create func() guest.Component) host.Deployment {
	d := deployment(name, nil)
	d.Source, d.Instances, d.Spread = native.Source(create), n, spread
	return d
}

// sameFor returns create for a component whose instances share everything.
func sameFor(component guest.Component) func() guest.Component {
	return func() guest.Component { return component }
}

// barrier lets handlers go on when n of them have come.
type barrier struct {
	coming sync.WaitGroup
	most   atomic.Int64
	now    atomic.Int64
}

func newBarrier(n int) *barrier {
	b := new(barrier)
	b.coming.Add(n)
	return b
}

func (b *barrier) pass() {
	n := b.now.Add(1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	b.coming.Done()
	b.coming.Wait()
	b.now.Add(-1)
}

// TestInstancesRunAtOnce: each of several messages is handled by an instance of its own, at
// the same time, whoever sends them.
func TestInstancesRunAtOnce(t *testing.T) {
	for _, spread := range []host.Spread{host.SpreadSender, host.SpreadAny} {
		everyPart(t, func(t *testing.T, p parts) {
			const n = 4
			h := p.start(t, host.Config{Workers: 2})
			var b *barrier
			target := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { b.pass(); return nil, nil }}
			check(t, h.Deploy(within(t), several("a/pool", n, spread, sameFor(target))))
			h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				for range n {
					check(t, g.Send("a/pool", message))
				}
				return nil, nil
			}})
			b = newBarrier(n)
			for range n {
				check(t, h.Send(id("a/pool"), nil))
			}
			h.balance()
			equal(t, "handlers at once for a Go program's messages", b.most.Load(), n)

			b = newBarrier(n)
			var callers sync.WaitGroup
			for range n {
				callers.Go(func() { h.do("a/pool") })
			}
			callers.Wait()
			equal(t, "handlers at once for a Go program's requests", b.most.Load(), n)

			if spread == host.SpreadAny {
				b = newBarrier(n)
				check(t, h.Send(id("a/sender"), nil))
				h.balance()
				equal(t, "handlers at once for a component's messages", b.most.Load(), n)
			}
			equal(t, "instances", h.Components()[0].Instances, n)
			equal(t, "components", h.Snapshot().Components, 2)
		})
	}
}

// TestIdleInstancesAnswerDirectly: requests of Go programs need no tracker as long as there
// is an idle instance for each of them.
func TestIdleInstancesAnswerDirectly(t *testing.T) {
	const n = 3
	tracker := new(trackerHooks)
	var registered atomic.Int64
	tracker.register = func(core.RequestID, core.Waiter) { registered.Add(1) }
	h := tracker.start(t, host.Config{})
	var b *barrier
	target := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { b.pass(); return nil, nil }}
	check(t, h.Deploy(within(t), several("a/pool", n, "", sameFor(target))))
	for range 50 {
		b = newBarrier(n)
		var callers sync.WaitGroup
		for range n {
			callers.Go(func() {
				_, err := h.Request(context.Background(), id("a/pool"), nil)
				check(t, err)
			})
		}
		callers.Wait()
	}
	b = newBarrier(1)
	requests := make([]host.Request, 1)
	check(t, h.RequestMany(context.Background(), id("a/pool"), requests))
	equal(t, "requests that the tracker has seen", registered.Load(), 0)
	s := h.balance()
	equal(t, "handled", s.Handled, 50*n+1)
	equal(t, "handled by status", h.Components()[0].Counters.Handled, 50*n+1)
}

// TestSpreadBySender: with SpreadSender one instance handles all messages of a sender, and
// all instances get some.
func TestSpreadBySender(t *testing.T) {
	const n, senders = 3, 40
	h := start(t, host.Config{})
	var mu sync.Mutex
	homes := make(map[string]map[int]bool) // instances, by sender
	var made atomic.Int64
	check(t, h.Deploy(within(t), several("a/pool", n, host.SpreadSender, func() guest.Component {
		number := int(made.Add(1))
		return behaviour{message: func(_ guest.Host, sender string, _ []byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if homes[sender] == nil {
				homes[sender] = make(map[int]bool)
			}
			homes[sender][number] = true
			return nil, nil
		}}
	})))
	for i := range senders {
		h.deploy(fmt.Sprintf("s/%d", i), behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			return nil, g.Send("a/pool", nil)
		}})
	}
	for range 10 {
		for i := range senders {
			check(t, h.Send(id(fmt.Sprintf("s/%d", i)), nil))
		}
	}
	h.balance()
	used := make(map[int]bool)
	for sender, instances := range homes {
		equal(t, "instances that handled messages of "+sender, len(instances), 1)
		for number := range instances {
			used[number] = true
		}
	}
	equal(t, "senders", len(homes), senders)
	equal(t, "instances used", len(used), n) // they are missed by chance once in 10^7 runs
}

// ask sends a component a request with a payload.
func (h *testHost) ask(target, payload string) {
	h.t.Helper()
	_, err := h.request(target, payload)
	check(h.t, err)
}

func instancesOf(h *testHost, name string) int {
	for _, s := range h.Components() {
		if s.ID == id(name) {
			return s.Instances
		}
	}
	return 0
}
