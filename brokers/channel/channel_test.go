package channel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBroker(t *testing.T) {
	for name, capacity := range map[string]int{"default": 0, "one": 1} {
		t.Run(name, func(t *testing.T) {
			brokertest.Run(t, brokertest.Harness{
				New: func() (core.Broker, error) { return channel.New(channel.Config{Capacity: capacity}) },
			})
		})
	}
}

var bob = core.MustComponentID("test/bob")

// receiver is a component that calls a function of a test.
type receiver func(*core.Message) error

func (r receiver) Deliver(m *core.Message) error { return r(m) }

// origin records the reasons of undelivered messages.
type origin struct{ undelivered chan error }

func (o origin) Respond(*core.Message)                     {}
func (o origin) Undelivered(_ *core.Message, reason error) { o.undelivered <- reason }

func TestCapacity(t *testing.T) {
	if _, err := channel.New(channel.Config{Capacity: -1}); err == nil {
		t.Error("a capacity of -1: got no error")
	}
	const capacity = 3
	b, err := channel.New(channel.Config{Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	home := origin{make(chan error, 10)}
	entered, gate := make(chan struct{}), make(chan struct{})
	held := receiver(func(*core.Message) error {
		entered <- struct{}{}
		<-gate
		return nil
	})
	if err := errors.Join(b.Open(t.Context(), home), b.Attach(bob, held)); err != nil {
		t.Fatal(err)
	}
	to, err := b.Route(bob)
	if err != nil {
		t.Fatal(err)
	}
	errs := []error{to.Deliver(new(core.Message))}
	<-entered
	for range capacity {
		errs = append(errs, to.Deliver(new(core.Message)))
	}
	if err := errors.Join(errs...); err != nil {
		t.Errorf("the message in the receiver's hands and %d behind it: got %v, want them taken", capacity, err)
	}
	full := &core.MessagingError{Case: core.CaseQueueFull, Text: bob.String()}
	if err := to.Deliver(new(core.Message)); !errors.Is(err, full) {
		t.Errorf("one more: got %v, want %v", err, full)
	}

	ended, end := context.WithCancel(t.Context())
	end()
	if err := b.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Close during Deliver with a context that has ended: got %v, want context.Canceled", err)
	}
	if len(home.undelivered) != capacity {
		t.Errorf("then: got %d undelivered, want the %d that waited", len(home.undelivered), capacity)
	}
	close(gate)
	if err := b.Close(t.Context()); err != nil {
		t.Errorf("Close after Deliver: got %v", err)
	}
}

// TestBytes: the waiting messages are bounded in bytes; delivered ones no longer count.
func TestBytes(t *testing.T) {
	if _, err := channel.New(channel.Config{Bytes: -1}); err == nil {
		t.Error("-1 bytes: got no error")
	}
	b, err := channel.New(channel.Config{Bytes: 2 * (1000 + core.MessageOverhead)})
	if err != nil {
		t.Fatal(err)
	}
	entered, gate := make(chan struct{}, 10), make(chan struct{})
	held := receiver(func(*core.Message) error {
		entered <- struct{}{}
		<-gate
		return nil
	})
	if err := errors.Join(b.Open(t.Context(), origin{make(chan error, 10)}), b.Attach(bob, held)); err != nil {
		t.Fatal(err)
	}
	to, err := b.Route(bob)
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(size int) error { return to.Deliver(&core.Message{Payload: make([]byte, size)}) }
	if err := deliver(10_000); err != nil {
		t.Errorf("a larger message by itself: got %v, want it taken", err)
	}
	<-entered
	if err := errors.Join(deliver(1000), deliver(1000)); err != nil {
		t.Errorf("as many bytes as may wait: got %v, want them taken", err)
	}
	full := &core.MessagingError{Case: core.CaseQueueFull, Text: bob.String()}
	if err := deliver(0); !errors.Is(err, full) {
		t.Errorf("one more: got %v, want %v", err, full)
	}
	close(gate)
	<-entered
	<-entered
	if err := deliver(2000); err != nil {
		t.Errorf("once all are delivered: got %v, want it taken", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMisuse(t *testing.T) {
	b, _ := channel.New(channel.Config{})
	nobody := receiver(func(*core.Message) error { return nil })
	if err := b.Open(t.Context(), nil); err == nil {
		t.Error("Open without an origin: got no error")
	}
	if err := b.Attach(bob, nobody); err == nil {
		t.Error("Attach before Open: got no error")
	}
	if _, err := b.Route(bob); err == nil {
		t.Error("Route before Open: got no error")
	}
	if err := b.Open(t.Context(), origin{}); err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), origin{}); err == nil {
		t.Error("a second Open: got no error")
	}
	if err := b.Attach(bob, nil); err == nil {
		t.Error("Attach without a receiver: got no error")
	}
	if err := b.Attach(core.ComponentID{}, nobody); err == nil {
		t.Error("Attach without an id: got no error")
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkDeliver(b *testing.B) {
	broker, _ := channel.New(channel.Config{})
	taken := make(chan struct{}, 1)
	again := receiver(func(*core.Message) error {
		taken <- struct{}{}
		return nil
	})
	if err := errors.Join(broker.Open(b.Context(), origin{}), broker.Attach(bob, again)); err != nil {
		b.Fatal(err)
	}
	defer broker.Close(context.Background())
	to, err := broker.Route(bob)
	if err != nil {
		b.Fatal(err)
	}
	m := new(core.Message)
	b.ReportAllocs()
	for b.Loop() {
		if err := to.Deliver(m); err != nil {
			b.Fatal(err)
		}
		<-taken
	}
}
