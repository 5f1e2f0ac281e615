package brokertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

func attachedOnce(f *fixture) {
	box := f.box(bob)
	other := newMailbox(bob)
	err := f.broker.Attach(bob, other)
	f.require(err != nil, "no error", "an error from the second Attach")
	err = f.route(bob).Deliver(numbered(alice, bob, 1))
	f.require(err == nil, err, "the first receiver to go on")
	f.next(box)
	f.close()
	f.require(other.arrived.size() == 0, "a message in the second receiver", "the first receiver to stay")
}

func detachUnknown(f *fixture) {
	box := f.box(bob)
	f.broker.Detach(carol)
	f.broker.Detach(core.ComponentID{})
	err := f.route(bob).Deliver(numbered(alice, bob, 1))
	f.require(err == nil, err, "the others to go on")
	f.next(box)
}

func detachUndoes(f *fixture) {
	f.detach(f.box(bob))
	f.nowhere(bob)
	f.broker.Detach(bob)
	again := f.box(bob)
	err := f.route(bob).Deliver(numbered(alice, bob, 1))
	f.require(err == nil, err, "the component that was attached anew to be reached")
	f.next(again)
}

func unknownTarget(f *fixture) {
	f.box(bob)
	f.nowhere(carol)
}

// nowhere checks that a message to id is refused or undelivered.
func (f *fixture) nowhere(id core.ComponentID) {
	f.t.Helper()
	to, err := f.broker.Route(id)
	if err == nil && f.harness.Late {
		err = to.Deliver(numbered(alice, id, 1))
		if err == nil {
			err = await(f, f.home.undelivered, "Undelivered, or a refusal").reason
		}
	}
	f.require(errors.Is(err, core.ErrTargetNotFound), err, "target-not-found")
}

// staleRoute: a stale route refuses before and after its id is attached again.
func staleRoute(f *fixture) {
	old := f.box(bob)
	stale := f.route(bob)
	f.detach(old)
	f.refusesStale(stale)
	anew := f.box(bob)
	if !f.harness.Late {
		f.refusesStale(stale)
	}
	f.close()
	f.require(old.arrived.size() == 0, "a message in the detached mailbox", "no delivery there")
	f.require(anew.arrived.size() == 0, "a message in the new mailbox", "no delivery there")
}

func (f *fixture) refusesStale(stale core.Receiver) {
	f.t.Helper()
	err := stale.Deliver(numbered(alice, bob, 1))
	if err == nil && f.harness.Late {
		err = await(f, f.home.undelivered, "Undelivered, or a refusal").reason
	}
	f.require(errors.Is(err, core.ErrTargetNotFound), err, "target-not-found")
}

func veryReceiver(f *fixture) {
	box := f.box(bob)
	got := f.route(bob)
	f.require(got == core.Receiver(box), fmt.Sprintf("%T %p", got, got), "the attached %T %p", box, box)
}

// backlog attaches a mailbox that blocks its broker, and sends to it. It returns the
// mailbox and the account of the accepted messages.
func (f *fixture) backlog() (*mailbox, *account) {
	f.t.Helper()
	box := f.attach(newHeldMailbox(bob))
	to := f.route(bob)
	l := new(account)
	for n := range 20 {
		l.note(n, to.Deliver(numbered(alice, bob, n)))
	}
	await(f, box.entered, "the first delivery")
	return box, l
}

func detachLeftovers(f *fixture) {
	box, l := f.backlog()
	f.detach(box)
	box.open()
	var returned []undelivered
	for n, accepted := range l.accepted {
		if accepted {
			returned = append(returned, await(f, f.home.undelivered, "Undelivered for message %d", n))
		}
	}
	f.close()
	f.require(box.arrived.size() == 0, fmt.Sprint(box.arrived.size(), " messages in the detached mailbox"), "none: it had closed before Detach")
	for _, u := range returned {
		f.home.undelivered.put(u)
	}
	f.balance(l)
}

// closeLeftovers closes the broker while a receiver blocks a delivery. The receiver
// goes on when the broker has begun to refuse other messages.
func closeLeftovers(f *fixture) {
	box, l := f.backlog()
	to := f.route(bob)
	closed := make(chan error, 1)
	go func() { closed <- f.broker.Close(context.Background()) }()
	f.poll(func() bool { return to.Deliver(numbered(alice, bob, -2)) != nil }, "the route to refuse")
	select {
	case <-closed:
		f.require(false, "Close returned while a receiver had a message", "it to wait until that is delivered or undelivered")
	case <-time.After(10 * time.Millisecond):
	}
	box.open()
	f.within("Close", func() { <-closed })
	f.balance(l)
}

// poll waits until done returns true.
func (f *fixture) poll(done func() bool, want string, args ...any) {
	f.t.Helper()
	start, pause := time.Now(), 10*time.Microsecond
	for !done() {
		f.require(time.Since(start) < patience, "not for "+patience.String(), want, args...)
		<-time.After(pause)
		pause = min(2*pause, 10*time.Millisecond)
	}
}

// closeHeldUp: a receiver that does not return cannot block Close for ever.
func closeHeldUp(f *fixture) {
	f.backlog()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var err error
	f.within("Close", func() { err = f.broker.Close(ctx) })
	f.require(err != nil, "no error", "an error, for a goroutine that has not ended")
}

func closedRefuses(f *fixture) {
	f.box(bob)
	f.close()
	err := f.broker.Open(context.Background(), f.home)
	f.require(errors.Is(err, core.ErrClosed), err, "ErrClosed from Open")
	err = f.broker.Attach(carol, newMailbox(carol))
	f.require(errors.Is(err, core.ErrClosed), err, "ErrClosed from Attach")
	_, err = f.broker.Route(bob)
	f.require(errors.Is(err, core.ErrClosed), err, "ErrClosed from Route")
	f.broker.Detach(bob)
	f.within("a second Close", func() { err = f.broker.Close(context.Background()) })
	f.require(err == nil || errors.Is(err, core.ErrClosed), err, "nil or ErrClosed from a second Close")
}

// closedRoutes: routes that were stale before Close refuse in the same way.
func closedRoutes(f *fixture) {
	kept, old := f.box(bob), f.box(carol)
	routes := []core.Receiver{f.route(bob), f.route(carol)}
	f.detach(old)
	f.close()
	for _, to := range routes {
		err := to.Deliver(numbered(alice, bob, 1))
		f.require(errors.Is(err, core.ErrUnavailable), err, "unavailable")
	}
	f.require(kept.arrived.size()+f.home.undelivered.size() == 0, "the message", "nothing to have happened")
}

// exactlyOnce: a component is detached many times while senders send to it, and at
// last the broker is closed.
func exactlyOnce(f *fixture) {
	const lives = 50
	var l account
	for life := range lives {
		box := f.box(bob)
		sending := f.crowd(&l, life)
		f.poll(func() bool { return box.arrived.size() > 0 }, "a message in the mailbox")
		if life < lives-1 {
			f.detach(box)
		} else {
			f.close()
		}
		f.within("the senders", sending.Wait)
	}
	f.balance(&l)
}

// crowd starts senders of numbered messages to bob.
func (f *fixture) crowd(l *account, life int) *sync.WaitGroup {
	const senders, messages = 3, 40
	var sending sync.WaitGroup
	for s := range senders {
		to := f.route(bob)
		sending.Go(func() {
			for i := range messages {
				n := (life*senders+s)*messages + i
				l.note(n, send(to, numbered(alice, bob, n)))
			}
		})
	}
	return &sending
}

// anyGoroutine: each goroutine attaches, sends to and detaches a component of its own.
// The race detector finds more here than the case checks.
func anyGoroutine(f *fixture) {
	const goroutines, rounds = 4, 100
	var working sync.WaitGroup
	failures := make(chan error, goroutines)
	for g := range goroutines {
		id := core.MustComponentID(fmt.Sprintf("suite/worker-%d", g))
		working.Go(func() { failures <- f.live(id, rounds) })
	}
	f.within("the goroutines", working.Wait)
	for range goroutines {
		err := <-failures
		f.require(err == nil, err, "each goroutine undisturbed by the others")
	}
}

func (f *fixture) live(id core.ComponentID, rounds int) error {
	for n := range rounds {
		box := newMailbox(id)
		if err := f.broker.Attach(id, box); err != nil {
			return err
		}
		runtime.Gosched()
		to, err := f.broker.Route(id)
		if err != nil {
			return err
		}
		if err := to.Deliver(numbered(id, id, n)); err != nil {
			return err
		}
		if m, ok := box.arrived.wait(); !ok || m.Target != id {
			return fmt.Errorf("no message in %s, or one of another", id)
		}
		f.broker.Detach(id)
	}
	return nil
}

func noGoroutineLeft(f *fixture) {
	f.close()
	before := goroutines()
	b, err := f.harness.New()
	f.require(err == nil, err, "another broker")
	f.broker, f.boxes, f.closed = b, nil, false
	err = b.Open(context.Background(), f.home)
	f.require(err == nil, err, "an open broker")
	for n := range 10 {
		id := core.MustComponentID(fmt.Sprintf("suite/worker-%d", n))
		box := f.box(id)
		_ = f.route(id).Deliver(numbered(alice, id, n))
		f.next(box)
	}
	f.close()
	f.poll(func() bool { return runtime.NumGoroutine() <= before }, "%d goroutines, as before", before)
}

// goroutines returns the number of goroutines, without those that are just ending.
func goroutines() int {
	least := runtime.NumGoroutine()
	for range 10 {
		<-time.After(time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}
