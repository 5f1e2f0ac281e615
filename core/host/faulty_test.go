package host_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// faultyTracker breaks one promise of a tracker, named by fault, on the third
// occasion.
type faultyTracker struct {
	core.Tracker
	fault string
	count atomic.Int32
}

func (f *faultyTracker) now(fault string) bool { return f.fault == fault && f.count.Add(1) == 3 }

func (f *faultyTracker) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if f.fault == "expires nothing" {
		timeout = core.MaxTimeout
	}
	id, err := f.Tracker.Register(w, timeout)
	if err == nil && f.now("forgets a request") {
		f.Tracker.Cancel(id, w)
	}
	return id, err
}

func (f *faultyTracker) Resolve(id core.RequestID) (core.Waiter, bool) {
	w, pending := f.Tracker.Resolve(id)
	// A Go program's request is left out: if it ended twice, the test would hang.
	component := strings.Contains(fmt.Sprintf("%T", w), "component")
	if component && f.now("drops an outcome") {
		return nil, false
	}
	if component && f.now("ends a request twice") {
		w.Expired(id, core.ErrTimeout)
	}
	return w, pending
}

func (f *faultyTracker) Cancel(id core.RequestID, w core.Waiter) bool {
	return f.Tracker.Cancel(id, w) || f.fault == "cancels anything"
}

func (f *faultyTracker) Remove(w core.Waiter) []core.RequestID {
	if f.fault == "removes nothing" {
		return nil
	}
	return f.Tracker.Remove(w)
}

// faultyBroker breaks one promise of a broker, named by fault, at the third message.
type faultyBroker struct {
	core.Broker
	fault string
	count atomic.Int32
	held  atomic.Pointer[core.Message]
}

func (f *faultyBroker) Route(target core.ComponentID) (core.Receiver, error) {
	r, err := f.Broker.Route(target)
	if err != nil {
		return nil, err
	}
	return faultyRoute{f, r}, nil
}

type faultyRoute struct {
	*faultyBroker
	to core.Receiver
}

func (f faultyRoute) Deliver(m *core.Message) error {
	if held := f.held.Load(); held != nil && held.Sender == m.Sender && held.Target == m.Target {
		f.held.Store(nil)
		err := f.to.Deliver(m)
		_ = f.to.Deliver(held) // if it is refused, it is lost
		return err
	}
	if f.count.Add(1) != 3 {
		return f.to.Deliver(m)
	}
	switch f.fault {
	case "drops a message":
		return nil
	case "delivers twice":
		again := core.NewMessage(m.Payload)
		again.Sender, again.Target = m.Sender, m.Target
		_ = f.to.Deliver(again)
	case "reorders":
		f.held.Store(m)
		return nil
	case "refuses what it delivers":
		again := core.NewMessage(m.Payload)
		again.Sender, again.Target = m.Sender, m.Target
		if f.to.Deliver(again) == nil {
			return core.ErrQueueFull
		}
	}
	return f.to.Deliver(m)
}

// TestModelCatches: the model of FuzzHost notices each broken promise of a tracker
// or a broker.
func TestModelCatches(t *testing.T) {
	for _, fault := range []string{"expires nothing", "forgets a request", "drops an outcome", "ends a request twice", "cancels anything", "removes nothing"} {
		catches(t, "a tracker that "+fault, parts{broker: newInproc, tracker: func() (core.Tracker, error) {
			tracker, err := newTimermap()
			return &faultyTracker{Tracker: tracker, fault: fault}, err
		}})
	}
	for _, fault := range []string{"drops a message", "delivers twice", "reorders", "refuses what it delivers"} {
		catches(t, "a broker that "+fault, parts{broker: func() (core.Broker, error) {
			broker, err := newInproc()
			return &faultyBroker{Broker: broker, fault: fault}, err
		}, tracker: newTimermap})
	}
}

// TestProgramsExchange: in the seeds of FuzzHost components exchange messages, with
// a tracker that reserves ids and with one that does not.
func TestProgramsExchange(t *testing.T) {
	for _, p := range allParts {
		if p.exchanged == nil {
			continue
		}
		before := p.exchanged.Load()
		for _, program := range programs() {
			for _, broken := range p.play(t, 1, false, program) {
				t.Errorf("%s: %s", p.name, broken)
			}
		}
		if calls := p.exchanged.Load() - before; calls < 10 {
			t.Errorf("%s: %d calls in exchanges, want at least 10", p.name, calls)
		} else {
			t.Logf("%s: %d calls in exchanges", p.name, calls)
		}
	}
}

// catches runs programs on faulty parts until the model notices a broken promise.
func catches(t *testing.T, name string, p parts) {
	t.Run(name, func(t *testing.T) {
		for n, program := range programs() {
			if broken := p.play(t, 1, false, program); len(broken) > 0 {
				t.Logf("program %d: %.200s", n, broken[0])
				return
			}
		}
		t.Error("the model has noticed nothing")
	})
}

// lateBroker holds the messages to some targets until a test delivers them.
type lateBroker struct {
	core.Broker
	late map[core.ComponentID]bool
	held []func()
}

func (b *lateBroker) Route(target core.ComponentID) (core.Receiver, error) {
	r, err := b.Broker.Route(target)
	if err == nil && b.late[target] {
		return lateRoute{b, r}, nil
	}
	return r, err
}

type lateRoute struct {
	broker *lateBroker
	to     core.Receiver
}

func (r lateRoute) Deliver(m *core.Message) error {
	r.broker.held = append(r.broker.held, func() { _ = r.to.Deliver(m) })
	return nil
}

// trackerHooks is a tracker that calls functions of a test in its methods.
type trackerHooks struct {
	core.Tracker
	register func(id core.RequestID, w core.Waiter)
	cancel   func()
	remove   func()
	close    func()
}

func (t *trackerHooks) Register(w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	id, err := t.Tracker.Register(w, timeout)
	if err == nil && t.register != nil {
		t.register(id, w)
	}
	return id, err
}

func (t *trackerHooks) Cancel(id core.RequestID, w core.Waiter) bool {
	if t.cancel != nil {
		t.cancel()
	}
	return t.Tracker.Cancel(id, w)
}

func (t *trackerHooks) Remove(w core.Waiter) []core.RequestID {
	if t.remove != nil {
		t.remove()
	}
	return t.Tracker.Remove(w)
}

func (t *trackerHooks) Close() error {
	err := t.Tracker.Close()
	if t.close != nil {
		t.close()
	}
	return err
}

func (t *trackerHooks) start(test *testing.T, config host.Config) *testHost {
	test.Helper()
	tracker, err := newSlab()
	check(test, err)
	t.Tracker = tracker
	return parts{broker: newInproc, tracker: func() (core.Tracker, error) { return t, nil }}.start(test, config)
}
