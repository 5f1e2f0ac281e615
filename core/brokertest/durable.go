package brokertest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
)

// RunDurable runs the part of the suite for a [core.DurableBroker]. Each broker that the harness makes
// has a store of its own, which is empty.
func RunDurable(t *testing.T, h Harness) {
	t.Helper()
	for _, p := range durablePromises {
		t.Run(p.name, func(t *testing.T) { p.verify(t, h) })
	}
}

// durablePromises lists the promises of [core.DurableBroker] and [core.Keeper], one case for each.
var durablePromises = []promise{
	{"stored-arrives", "fire-and-forget messages arrive with a Keeper as their Origin, and requests as with Attach", everyBroker, storedArrives},
	{"one-of-a-sender", "the next message of a sender comes after the one before has been handled", everyBroker, oneOfASender},
	{"handled-once", "a message that was handled does not come again", everyBroker, handledOnce},
	{"failed-again", "a message that has failed is delivered again, before later ones of its sender, most times in all", everyBroker, failedAgain},
	{"undelivered-again", "a message that was undelivered is delivered again, in its place, and becomes no dead letter", everyBroker, undeliveredAgain},
	{"waits-while-away", "messages that were stored before AttachDurable come first", everyBroker, waitsWhileAway},
	{"unhandled-comes-again", "a message that was not handled when its component was detached comes to the next attachment", everyBroker, unhandledComesAgain},
	{"rests", "after Rest no stored message comes", everyBroker, rests},
}

// keep attaches a new mailbox to a durable one.
func (f *fixture) keep(id core.ComponentID) *mailbox {
	f.t.Helper()
	b, durable := f.broker.(core.DurableBroker)
	f.require(durable, fmt.Sprintf("%T", f.broker), "a core.DurableBroker")
	box := newMailbox(id)
	f.boxes = append(f.boxes, box)
	err := b.AttachDurable(id, box)
	f.require(err == nil, err, "%s to be attached", id)
	return box
}

// mail sends numbered messages of a sender to bob.
func (f *fixture) mail(sender core.ComponentID, numbers ...int) {
	f.t.Helper()
	to := f.route(bob)
	for _, n := range numbers {
		err := send(to, numbered(sender, bob, n))
		f.require(err == nil, err, "message %d to be taken", n)
	}
}

// nextKept waits for the next message in a mailbox, which must have a number and a keeper.
func (f *fixture) nextKept(box *mailbox, number int) (*core.Message, core.Keeper) {
	f.t.Helper()
	m := f.next(box)
	keeper, kept := m.Origin.(core.Keeper)
	f.require(kept && !m.IsRequest(), fmt.Sprintf("%s with the origin %T", show(m), m.Origin), "a fire-and-forget message with a Keeper")
	f.require(numberOf(m) == number && m.Target == bob, show(m), "message %d for %s", number, bob)
	return m, keeper
}

// handle ends the next messages in a mailbox, which must have these numbers.
func (f *fixture) handle(box *mailbox, numbers ...int) {
	f.t.Helper()
	for _, n := range numbers {
		m, keeper := f.nextKept(box, n)
		keeper.Handled(m)
	}
}

// noDeadLetters checks that nothing was undelivered for good.
func (f *fixture) noDeadLetters() {
	f.t.Helper()
	u, some := f.home.undelivered.take()
	f.require(!some, fmt.Sprint("Origin.Undelivered: ", u.reason), "no dead letter")
}

// pass sends a request to bob and waits until it comes: what was to come before has come.
func (f *fixture) pass(box *mailbox) (before []*core.Message) {
	f.t.Helper()
	err := send(f.route(bob), &core.Message{Sender: alice, Target: bob, Correlation: 1, Origin: f.home})
	f.require(err == nil, err, "a request to be taken")
	for {
		m := f.next(box)
		if m.IsRequest() {
			return before
		}
		before = append(before, m)
	}
}

func storedArrives(f *fixture) {
	box := f.keep(bob)
	f.mail(alice, 1)
	m, keeper := f.nextKept(box, 1)
	f.require(m.Sender == alice && m.Deadline == 0, show(m), "a message of %s", alice)
	keeper.Handled(m)
	err := send(f.route(bob), &core.Message{Sender: alice, Target: bob, Correlation: 7, Origin: f.home, Payload: []byte("question")})
	f.require(err == nil, err, "a request to be taken")
	m = f.next(box)
	f.require(string(m.Payload) == "question" && m.IsRequest(), show(m), "the request")
	m.Origin.Respond(m)
	outcome := await(f, f.home.outcomes, "the answer at home")
	f.require(outcome.Correlation == 7, show(outcome), "the answer to request 7")
	f.close()
	f.noDeadLetters()
}

func oneOfASender(f *fixture) {
	box := f.keep(bob)
	f.mail(alice, 1, 2, 3)
	m, keeper := f.nextKept(box, 1)
	f.mail(carol, 4)
	other, keeperOfOther := f.nextKept(box, 4)
	more := f.pass(box)
	f.require(len(more) == 0, fmt.Sprint(len(more), " more messages"), "no other message of %s while the first one is handled", alice)
	keeper.Handled(m)
	f.handle(box, 2, 3)
	keeperOfOther.Handled(other)
	f.close()
	f.noDeadLetters()
}

func handledOnce(f *fixture) {
	box := f.keep(bob)
	f.mail(alice, 1, 2)
	f.handle(box, 1, 2)
	f.detach(box)
	box = f.keep(bob)
	f.mail(alice, 3)
	f.handle(box, 3)
	f.require(len(f.pass(box)) == 0, "another message", "each message once")
}

func failedAgain(f *fixture) {
	const most = 3
	box := f.keep(bob)
	f.mail(alice, 1, 2)
	for n := range most {
		m, keeper := f.nextKept(box, 1)
		again := keeper.Failed(m, most)
		f.require(again == (n < most-1), again, "Failed to say if the message comes again after %d of %d deliveries", n+1, most)
		if !again {
			f.require(numberOf(m) == 1, show(m), "the caller to own a message that comes no more")
		}
	}
	f.handle(box, 2)
	f.close()
	f.noDeadLetters()
}

func undeliveredAgain(f *fixture) {
	const most = 2
	box := f.keep(bob)
	f.mail(alice, 1, 2)
	for range 2 * most {
		m, keeper := f.nextKept(box, 1)
		keeper.Undelivered(m, errors.New("the component has failed"))
		f.detach(box)
		box = f.keep(bob)
	}
	m, keeper := f.nextKept(box, 1)
	f.require(keeper.Failed(m, most), false, "the first failure of %d", most)
	f.handle(box, 1, 2)
	f.close()
	f.noDeadLetters()
}

func waitsWhileAway(f *fixture) {
	f.detach(f.keep(bob))
	f.mail(alice, 1, 2)
	box := f.keep(bob)
	f.handle(box, 1)
	f.mail(alice, 3)
	f.handle(box, 2, 3)
	f.close()
	f.noDeadLetters()
}

func unhandledComesAgain(f *fixture) {
	box := f.keep(bob)
	f.mail(alice, 1, 2)
	m, keeper := f.nextKept(box, 1)
	f.detach(box)
	keeper.Undelivered(m, errors.New("it is removed"))
	f.handle(f.keep(bob), 1, 2)
	f.close()
	f.noDeadLetters()
}

func rests(f *fixture) {
	box := f.keep(bob)
	f.mail(alice, 1)
	f.handle(box, 1)
	f.broker.(core.DurableBroker).Rest() // keep has seen that it is one
	f.mail(alice, 2)
	f.require(len(f.pass(box)) == 0, "a stored message", "none after Rest")
	f.close()
}
