package brokertest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/airhost/airhost/core"
)

// arrives: one message of each kind arrives as it was sent.
func arrives(f *fixture) {
	box := f.box(bob)
	to := f.route(bob)
	for _, m := range []*core.Message{
		{Sender: alice, Target: bob, Payload: []byte("fire-and-forget")},
		{Sender: alice, Target: bob},
		{Sender: alice, Target: bob, Payload: bytes.Repeat([]byte{0xa5}, 1<<20)},
		{Sender: core.HostID, Target: bob, Correlation: 1, Origin: f.home, Payload: []byte("request")},
		{Sender: bob, Target: bob, Correlation: 1<<64 - 1, Deadline: 1<<63 - 1, Origin: f.home},
	} {
		want := copyOf(m)
		err := to.Deliver(m)
		f.require(err == nil, err, "%s to be taken", show(&want))
		got := f.next(box)
		f.require(same(got, &want), show(got), "%s", show(&want))
	}
	f.close()
	f.require(box.arrived.size() == 0, fmt.Sprint(box.arrived.size(), " more"), "each message once")
}

// apart: messages for two targets arrive in the right mailboxes.
func apart(f *fixture) {
	boxes := map[core.ComponentID]*mailbox{bob: f.box(bob), carol: f.box(carol)}
	for n := range 20 {
		for id := range boxes {
			err := send(f.route(id), numbered(alice, id, n))
			f.require(err == nil, err, "message %d for %s to be taken", n, id)
		}
	}
	for id, box := range boxes {
		for range 20 {
			m := f.next(box)
			f.require(m.Target == id, show(m), "only messages for %s", id)
		}
	}
}

// inOrder: several senders, each on its own goroutine, send to two targets.
func inOrder(f *fixture) {
	const senders, messages = 4, 500
	targets := []core.ComponentID{bob, carol}
	for _, id := range targets {
		f.box(id)
	}
	var sending sync.WaitGroup
	for s := range senders {
		sender := core.MustComponentID(fmt.Sprintf("suite/sender-%d", s))
		routes := []core.Receiver{f.route(bob), f.route(carol)}
		sending.Go(func() {
			for n := range messages {
				for i, to := range routes {
					_ = send(to, numbered(sender, targets[i], n))
				}
			}
		})
	}
	sending.Wait()
	for _, box := range f.boxes {
		last := make(map[core.ComponentID]int)
		for range senders * messages {
			m := f.next(box)
			f.require(numberOf(m) == last[m.Sender], show(m), "message %d of %s", last[m.Sender], m.Sender)
			last[m.Sender]++
		}
	}
}

// answers: the response of a request's receiver comes to the host of the request.
func answers(f *fixture) {
	box := f.box(bob)
	request := &core.Message{Sender: alice, Target: bob, Correlation: 77, Origin: f.home, Payload: []byte("question")}
	err := f.route(bob).Deliver(request)
	f.require(err == nil, err, "the request to be taken")
	m := f.next(box)
	f.require(m.Origin != nil, "a request without Origin", "somewhere to respond to")
	m.Payload = append(m.Payload[:0], "answer"...)
	m.Origin.Respond(m)
	outcome := await(f, f.home.outcomes, "the answer at home")
	f.require(outcome.Correlation == 77 && string(outcome.Payload) == "answer", show(outcome), "the answer to request 77")
}

// refusalTold: the refusal of a receiver is the error of Deliver or of Undelivered.
func refusalTold(f *fixture) {
	box := f.box(bob)
	refusal := &core.MessagingError{Case: core.CaseQueueFull, Text: bob.String()}
	box.refuseWith(refusal)
	m := numbered(alice, bob, 5)
	want := copyOf(m)
	err := f.route(bob).Deliver(m)
	if err != nil {
		f.require(errors.Is(err, refusal), err, "the receiver's %v", refusal)
		f.close()
		f.require(f.home.undelivered.size() == 0, "Undelivered as well", "the refusal told once")
		return
	}
	u := await(f, f.home.undelivered, "Undelivered for the refused message")
	f.require(errors.Is(u.reason, refusal), u.reason, "the receiver's %v", refusal)
	f.require(same(u.message, &want), show(u.message), "%s", show(&want))
}

// refusedUnchanged: if Deliver returns an error the caller still owns the message, and
// nothing has happened.
func refusedUnchanged(f *fixture) {
	box := f.box(bob)
	to := f.route(bob)
	f.detach(box)
	m := &core.Message{Sender: alice, Target: bob, Correlation: 9, Deadline: 8, Origin: f.home, Payload: []byte("kept")}
	want := copyOf(m)
	err := to.Deliver(m)
	if f.harness.Late && err == nil {
		return
	}
	f.require(err != nil, "no error", "a refusal by a stale route")
	f.close()
	f.require(f.home.undelivered.size() == 0, "Undelivered with the refused message", "nothing to have happened")
	f.require(f.home.outcomes.size() == 0, "Respond with the refused message", "nothing to have happened")
	f.require(box.arrived.size() == 0, "the message in the mailbox", "nothing to have happened")
	f.require(reflect.DeepEqual(*m, want), show(m), "the caller's message unchanged: %s", show(&want))
}

// leftAlone: after Deliver has returned nil the broker leaves the message alone.
func leftAlone(f *fixture) {
	const messages = 100
	box := f.box(bob)
	box.taken = func(m *core.Message) {
		n := numberOf(m)
		*m = core.Message{Sender: carol, Target: carol, Correlation: core.RequestID(n), Payload: []byte("the receiver's")}
	}
	to := f.route(bob)
	for n := range messages {
		err := send(to, numbered(alice, bob, n))
		f.require(err == nil, err, "message %d to be taken", n)
	}
	var taken []*core.Message
	for range messages {
		taken = append(taken, f.next(box))
	}
	f.close()
	for n, m := range taken {
		want := core.Message{Sender: carol, Target: carol, Correlation: core.RequestID(n), Payload: []byte("the receiver's")}
		f.require(reflect.DeepEqual(*m, want), show(m), "the message as its receiver changed it: %s", show(&want))
	}
}

// neverBlocks: a route accepts or refuses while its target is held.
func neverBlocks(f *fixture) {
	const most = 20_000
	f.attach(newHeldMailbox(bob))
	to := f.route(bob)
	var l account
	var err error
	for n := range most {
		f.within("Deliver", func() { err = to.Deliver(numbered(alice, bob, n)) })
		l.note(n, err)
		if err != nil {
			f.require(errors.Is(err, core.ErrQueueFull), err, "queue-full, or no error")
			break
		}
	}
	f.close()
	f.balance(&l)
}
