package host_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// asking is a component whose instances know their own requests.
type asking struct {
	t        *testing.T
	mine     map[guest.RequestID]bool
	foreign  *atomic.Int64 // callbacks for requests of others
	returned *atomic.Int64
}

func (a *asking) component() guest.Component {
	return behaviour{
		message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			id, err := g.Request("a/target", message, time.Hour)
			check(a.t, err)
			a.mine[id] = true
			return nil, nil
		},
		callback: func(_ guest.Host, id guest.RequestID, _ []byte, failure error) error {
			if !a.mine[id] {
				a.foreign.Add(1)
			}
			delete(a.mine, id)
			a.returned.Add(1)
			return failure
		},
	}
}

// TestCallbacksAtTheAskingInstance: a callback goes to the instance that has sent the request,
// and to another one if that instance is gone. Changes of the number of instances lose none.
func TestCallbacksAtTheAskingInstance(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if len(message) > 0 {
				<-gate
			}
			return message, nil
		}})
		var foreign, returned atomic.Int64
		d := several("a/pool", 3, host.SpreadAny, func() guest.Component {
			return (&asking{t, make(map[guest.RequestID]bool), &foreign, &returned}).component()
		})
		check(t, h.Deploy(within(t), d))
		for range 300 {
			check(t, h.Send(id("a/pool"), nil))
		}
		h.balance()
		equal(t, "callbacks", returned.Load(), 300)

		ask := func(n int) {
			for range n {
				h.ask("a/pool", "slow")
			}
		}
		want := int64(300)
		for _, n := range []int{5, 2, 1, 4, 1, 1, 3} {
			ask(6)
			want += 6
			d.Instances = n
			check(t, h.Update(within(t), d))
			equal(t, "instances", instancesOf(h, "a/pool"), n)
		}
		equal(t, "callbacks of others' requests so far", foreign.Load(), 0)
		close(gate)
		h.balance()
		equal(t, "callbacks", returned.Load(), want)
		if foreign.Load() == 0 {
			t.Error("no instance got the callback of one that is gone")
		}
		status := h.Components()[0]
		equal(t, "callbacks counted", status.Counters.Callbacks, uint64(want))
		equal(t, "requests counted", status.Counters.Requests, uint64(want))
	})
}

// TestGrowthKeepsTheAskingInstance: an instance that was alone gets the callbacks of its
// requests when it has company, and again when it is alone.
func TestGrowthKeepsTheAskingInstance(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) { <-gate; return message, nil }})
		var foreign, returned atomic.Int64
		d := several("a/pool", 1, host.SpreadAny, func() guest.Component {
			return (&asking{t, make(map[guest.RequestID]bool), &foreign, &returned}).component()
		})
		check(t, h.Deploy(within(t), d))
		for range 3 {
			h.do("a/pool")
			d.Instances = 4
			check(t, h.Update(within(t), d))
			d.Instances = 1
			check(t, h.Update(within(t), d))
			h.do("a/pool")
		}
		h.do("a/pool")
		d.Instances = 3
		check(t, h.Update(within(t), d))
		close(gate)
		h.balance()
		equal(t, "callbacks", returned.Load(), 7)
		equal(t, "callbacks at others", foreign.Load(), 0)
	})
}

// TestTimersOfInstances: the timers of several instances have ids of their own. They go along
// when instances come and when a replacement changes their number; those of an instance that
// an update shuts down are canceled.
func TestTimersOfInstances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var mu sync.Mutex
		var each *barrier
		ids, fired := make(map[guest.TimerID]bool), make(map[string]int)
		d := several("a/pool", 1, host.SpreadAny, sameFor(behaviour{message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
			if string(message) == "each" && sender != "a/pool" {
				each.pass()
			}
			mu.Lock()
			defer mu.Unlock()
			if sender == "a/pool" {
				fired[string(message)]++
				return nil, nil
			}
			id, err := guest.After(g, time.Hour, message)
			if ids[id] {
				t.Errorf("there is a second timer %d", id)
			}
			ids[id] = true
			return nil, err
		}}))
		check(t, h.Deploy(t.Context(), d))
		timers := func(want int) {
			t.Helper()
			equal(t, "timers", h.Components()[0].Timers, want)
			equal(t, "timers of the host", h.Snapshot().Timers, want)
		}
		begin := func(n int, payload string) {
			for range n {
				h.ask("a/pool", payload)
			}
		}
		change := func(n int, change func(context.Context, host.Deployment) error) {
			t.Helper()
			d.Instances = n
			check(t, change(t.Context(), d))
		}
		begin(2, "alone")
		change(3, h.Update)
		begin(6, "three")
		timers(8)
		change(2, h.Replace)
		begin(4, "two")
		timers(12)
		change(1, h.Replace)
		begin(1, "one")
		timers(13)
		change(4, h.Replace)
		timers(13)
		change(2, h.Replace)
		<-time.After(time.Hour + time.Minute)
		h.balance()
		equal(t, "kinds of timers that fired", fmt.Sprint(fired), fmt.Sprint(map[string]int{"alone": 2, "one": 1, "three": 6, "two": 4}))
		equal(t, "fired", h.Components()[0].Fired, 13)

		change(3, h.Update)
		each = newBarrier(3)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() { h.ask("a/pool", "each") })
		}
		callers.Wait()
		timers(3)
		change(1, h.Update)
		timers(1)
		<-time.After(time.Hour + time.Minute)
		h.balance()
		equal(t, "timers of the instance that has stayed", fired["each"], 1)
		equal(t, "fired in all", h.Components()[0].Fired, 14)
	})
}
