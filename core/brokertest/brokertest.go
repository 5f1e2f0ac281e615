// Package brokertest holds what every [core.Broker] must do, as one suite. A
// broker's own test calls it in a few lines:
//
//	func TestBroker(t *testing.T) {
//		brokertest.Run(t, brokertest.Harness{
//			New: func() (core.Broker, error) { return mybroker.New(mybroker.Config{}) },
//		})
//	}
//
// Each case is named after a promise of [core.Broker]; a case that fails says
// which promise was broken, what was seen and what was wanted.
package brokertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// Harness makes the brokers under test, and says which of the contract's
// liberties they take.
type Harness struct {
	// New returns a broker that has not been opened. The suite opens and closes
	// it.
	New func() (core.Broker, error)

	// Direct: Route returns the very Receiver that was attached. Such a broker
	// holds no messages, and cannot refuse what is handed to a route that its
	// sender has kept: the attached Receiver must, and a host tells its mailboxes
	// to before it calls Detach or Close. The suite's receivers do the same, and
	// cases about messages that wait in the broker are left out.
	Direct bool

	// Late: the broker may take a message whose target nobody has, and tell
	// Origin.Undelivered afterwards; and a route that was kept while its target
	// was detached and attached anew may lead to the new one.
	Late bool
}

// Run runs the suite. Cases run one after the other, because one of them counts
// goroutines.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, p := range promises {
		if p.applies(h) {
			t.Run(p.name, func(t *testing.T) { p.verify(t, h) })
		}
	}
}

// patience is how long the suite waits for what must happen.
const patience = 30 * time.Second

// reporter is what a case needs of a test, so that the suite's own tests can
// watch cases fail.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// promise is something that the contract promises, and how to find it broken.
type promise struct {
	name    string
	text    string
	brokers kind
	check   func(*fixture)
}

// kind is which brokers a promise is for.
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

// fixture is an open broker, and what a case works with.
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

// detach does what a host does: first the mailbox takes no more.
func (f *fixture) detach(box *mailbox) {
	box.close()
	f.broker.Detach(box.id)
}

// close does what a host does, and waits.
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
