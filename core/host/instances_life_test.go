package host_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestFailedInstance: an instance that has failed gets no messages any more: its senders go to
// others, in order. When all have failed the component refuses messages, until one is back.
func TestFailedInstance(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		events, cancel := h.Subscribe(100)
		defer cancel()
		d := several("a/pool", 3, "", sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "trap" {
				panic("on purpose")
			}
			return nil, nil
		}}))
		d.Restart = host.Restart{Policy: host.RestartTemporary}
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/pool", message)
		}})
		state := func(instances int, want string) {
			t.Helper()
			synctest.Wait()
			s := h.Components()[0]
			equal(t, "instances", s.Instances, instances)
			equal(t, "state", s.State, want)
		}
		state(3, "running")
		for left := 2; left >= 0; left-- {
			check(t, h.Send(id("a/sender"), []byte("trap"))) // to its home
			if left > 0 {
				state(left, "running")
				for range 20 {
					h.ask("a/sender", "on")
					h.do("a/pool")
				}
			}
		}
		state(0, "failed")
		_, err := h.request("a/pool", "")
		isError(t, "request to what has failed", err, core.ErrUnavailable)
		_, err = h.request("a/sender", "")
		isError(t, "request whose target has failed", err, core.ErrRequestFailed)
		check(t, h.Restart(t.Context(), d.ID))
		state(3, "running")
		h.do("a/pool")
		h.ask("a/sender", "on")
		h.balance()
		failed := 0
		for len(events) > 0 {
			if e := <-events; e.Kind == host.EventFailed {
				failed++
			}
		}
		equal(t, "failed events", failed, 1)
		equal(t, "restarts", h.Components()[0].Counters.Restarts, 3)
	})
}

// TestInstancesThatWait: while one instance waits for its restart, the others take messages of
// any sender, and a sender's messages wait for their instance.
func TestInstancesThatWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var handled atomic.Int64
		d := several("a/pool", 2, "", sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "trap" {
				panic("on purpose")
			}
			handled.Add(1)
			return nil, nil
		}}))
		d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Second, MaxBackoff: time.Second}
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/pool", message)
		}})
		// A first end is followed by a restart at once or not; the second one waits.
		h.ask("a/sender", "trap")
		h.ask("a/sender", "trap")
		h.ask("a/sender", "later")
		synctest.Wait()
		before := handled.Load()
		for range 10 {
			h.do("a/pool")
		}
		equal(t, "handled by the other instance", handled.Load()-before, 10)
		h.balance()
		equal(t, "handled in the end", handled.Load(), 11)
		equal(t, "restarts", h.Components()[0].Counters.Restarts, 2)
	})
}

// TestDeployAllInstancesOrNone: if one instance cannot start, nothing is left, and a
// replacement is rolled back.
func TestDeployAllInstancesOrNone(t *testing.T) {
	h := start(t, host.Config{})
	var starts, ends atomic.Int64
	fails := int64(3)
	d := several("a/pool", 3, "", sameFor(behaviour{
		start: func(guest.Host, guest.Config) error {
			if starts.Add(1) == fails {
				return errors.New("on purpose")
			}
			return nil
		},
		shutdown: func(guest.Host) { ends.Add(1) },
	}))
	if err := h.Deploy(within(t), d); err == nil {
		t.Fatal("a deployment succeeds of which one instance fails")
	}
	equal(t, "components", len(h.Components()), 0)
	equal(t, "shut down", ends.Load(), 2)
	check(t, h.Deploy(within(t), d))
	fails = starts.Load() + 2
	more := d
	more.Instances = 6
	if err := h.Update(within(t), more); err == nil {
		t.Fatal("an update succeeds of which one instance fails")
	}
	equal(t, "instances after an update that failed", instancesOf(h, "a/pool"), 3)
	fails = starts.Load() + 1
	if err := h.Replace(within(t), more); err == nil {
		t.Fatal("a replacement succeeds of which one instance fails")
	}
	equal(t, "instances after a replacement that failed", instancesOf(h, "a/pool"), 3)
	for range 10 {
		h.do("a/pool")
	}
	check(t, h.Undeploy(within(t), d.ID))
	equal(t, "started and not shut down", starts.Load()-3-ends.Load(), 0)
	_, err := h.request("a/pool", "")
	isError(t, "request to what is undeployed", err, core.ErrTargetNotFound)
	check(t, h.Deploy(within(t), d))
	h.do("a/pool")
}

// TestStopWithInstances: Stop calls back all instances, each one for its own requests, and
// shuts all of them down.
func TestStopWithInstances(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{DrainTimeout: time.Millisecond})
		var foreign, returned, ends atomic.Int64
		gate := make(chan struct{})
		h.deploy("a/target", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			<-gate
			return message, nil
		}})
		check(t, h.Deploy(within(t), several("a/pool", 4, host.SpreadAny, func() guest.Component {
			b := (&asking{t, make(map[guest.RequestID]bool), &foreign, &returned}).component().(behaviour)
			b.shutdown = func(guest.Host) { ends.Add(1) }
			return b
		})))
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 5 {
					h.do("a/pool")
				}
			})
		}
		callers.Wait()
		time.AfterFunc(20*time.Millisecond, func() { close(gate) })
		err := h.Stop(within(t))
		equal(t, "messages are left, and nothing else", err == nil || errors.Is(err, host.ErrUnhandled), true)
		equal(t, "callbacks", returned.Load(), 40)
		equal(t, "callbacks at others", foreign.Load(), 0)
		equal(t, "instances shut down", ends.Load(), 4)
		equal(t, "callbacks counted", h.Snapshot().Callbacks, 40)
	})
}
