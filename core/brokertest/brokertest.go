// Package brokertest is a suite that tests a [core.Broker] against its contract. A
// broker's own test calls it in a few lines:
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, brokertest.Harness{
//			New: func() (core.Broker, error) { return mybroker.New(mybroker.Config{}) },
//		})
//	}
//
// Each case is named after a promise of [core.Broker]. A case that fails prints the
// broken promise, then got and want.
package brokertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// Harness makes the brokers under test. It says in which ways they differ, of those
// that the contract allows.
type Harness struct {
	// New returns a broker that has not been opened. The suite opens and closes
	// it.
	New func() (core.Broker, error)

	// Direct: Route returns the attached Receiver itself. Such a broker holds no
	// messages, and cannot refuse a message on a route that a sender has kept. The
	// attached Receiver must do that: a host closes its mailboxes before it calls
	// Detach or Close. The suite closes its receivers in the same way, and leaves out
	// the cases about messages that wait in the broker.
	Direct bool

	// Late: the broker may accept a message to a target that no host has, and call
	// Origin.Undelivered afterwards. A route that a sender kept while its target was
	// detached and attached again may lead to the new target.
	Late bool

	// Cluster returns the brokers of so many hosts of one cluster that has no others. They have not
	// been opened. If it is there, the suite checks the promises of [core.TopicCarrier], too, which
	// each of them is.
	Cluster func(hosts int) ([]core.Broker, error)
}

// Run runs the suite. The cases do not run in parallel, because one of them counts
// goroutines.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, p := range promises {
		if p.applies(h) {
			t.Run(p.name, func(t *testing.T) { p.verify(t, h) })
		}
	}
	if h.Cluster == nil {
		return
	}
	for _, p := range topicPromises {
		t.Run(p.name, func(t *testing.T) { p.verify(t, h) })
	}
}

// patience is the time after which a case stops waiting and fails.
const patience = 30 * time.Second

// reporter is the part of [testing.T] that a case uses. The suite's own tests
// implement it to see cases fail.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// promise is a promise of the contract, with the case that checks it.
type promise struct {
	name    string
	text    string
	brokers kind
	check   func(*fixture)
}

// kind is the kind of brokers that make a promise.
type kind uint8

const (
	everyBroker kind = iota
	directBroker
	holdingBroker // one that is not direct
)

func (p promise) applies(h Harness) bool {
	return p.brokers == everyBroker || h.Direct == (p.brokers == directBroker)
}

func (p promise) verify(t reporter, h Harness) {
	t.Helper()
	b, err := h.New()
	if err != nil {
		t.Fatalf("the harness made no broker: %v", err)
	}
	f := &fixture{t: t, promise: p, harness: h, broker: b, home: newHome()}
	defer f.cleanUp()
	err = b.Open(context.Background(), f.home)
	f.require(err == nil, err, "an open broker")
	p.check(f)
}

// fixture is the open broker of a case, with its doubles.
type fixture struct {
	t       reporter
	promise promise
	harness Harness
	broker  core.Broker
	home    *home
	boxes   []*mailbox
	closed  bool
}

// require ends the case unless ok.
func (f *fixture) require(ok bool, got any, want string, args ...any) {
	f.t.Helper()
	if !ok {
		f.t.Fatalf("broken promise: %s\n got: %v\nwant: %s", f.promise.text, got, fmt.Sprintf(want, args...))
	}
}

// within ends the case unless done returns in time.
func (f *fixture) within(what string, done func()) {
	f.t.Helper()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		done()
	}()
	select {
	case <-returned:
	case <-time.After(patience):
		f.require(false, "still running after "+patience.String(), "%s to return", what)
	}
}

// box attaches a new mailbox.
func (f *fixture) box(id core.ComponentID) *mailbox {
	f.t.Helper()
	return f.attach(newMailbox(id))
}

func (f *fixture) attach(box *mailbox) *mailbox {
	f.t.Helper()
	f.boxes = append(f.boxes, box)
	err := f.broker.Attach(box.id, box)
	f.require(err == nil, err, "%s to be attached", box.id)
	return box
}

func (f *fixture) route(id core.ComponentID) core.Receiver {
	f.t.Helper()
	r, err := f.broker.Route(id)
	f.require(err == nil && r != nil, err, "a route to %s", id)
	return r
}

// detach closes the mailbox before it calls Detach, as a host does.
func (f *fixture) detach(box *mailbox) {
	box.close()
	f.broker.Detach(box.id)
}

// close closes the mailboxes and then the broker, as a host does.
func (f *fixture) close() {
	f.t.Helper()
	f.closed = true
	for _, box := range f.boxes {
		if f.harness.Direct {
			box.close()
		}
		box.open()
	}
	var err error
	f.within("Close", func() { err = f.broker.Close(context.Background()) })
	f.require(err == nil, err, "Close to succeed")
}

func (f *fixture) cleanUp() {
	for _, box := range f.boxes {
		box.open()
	}
	if !f.closed {
		_ = f.broker.Close(context.Background())
	}
}
