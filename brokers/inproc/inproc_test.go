package inproc_test

import (
	"context"
	"testing"

	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBroker(t *testing.T) {
	brokertest.Run(t, brokertest.Harness{
		New:    func() (core.Broker, error) { return inproc.New(inproc.Config{}) },
		Direct: true,
	})
}

var bob = core.MustComponentID("test/bob")

// nobody accepts every message.
type nobody struct{}

func (nobody) Deliver(*core.Message) error { return nil }

func TestMisuse(t *testing.T) {
	b, _ := inproc.New(inproc.Config{})
	if err := b.Attach(bob, nobody{}); err == nil {
		t.Error("Attach before Open: got no error")
	}
	if _, err := b.Route(bob); err == nil {
		t.Error("Route before Open: got no error")
	}
	if err := b.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), nil); err == nil {
		t.Error("a second Open: got no error")
	}
	if err := b.Attach(bob, nil); err == nil {
		t.Error("Attach without a receiver: got no error")
	}
	if err := b.Attach(core.ComponentID{}, nobody{}); err == nil {
		t.Error("Attach without an id: got no error")
	}
}

func BenchmarkRoute(b *testing.B) {
	broker, _ := inproc.New(inproc.Config{})
	if err := broker.Open(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	defer broker.Close(context.Background())
	if err := broker.Attach(bob, nobody{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := broker.Route(bob); err != nil {
			b.Fatal(err)
		}
	}
}
