package nats

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/natstest"
)

// takes is a receiver that takes all.
type takes struct{}

func (takes) Deliver(*core.Message) error { return nil }

// openStore returns an open broker at a server with JetStream.
func openStore(t *testing.T) (context.Context, *Broker) {
	t.Helper()
	s := natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b, err := New(Config{URL: s.ClientURL(), Host: "one", Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = b.Open(ctx, new(sink))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(ctx); cancel() })
	return ctx, b
}

// TestListThatIsBehind: a component that is missing in the list of the directory, which may come from a
// replica that is behind, keeps its durable mailbox if the leader knows of it.
func TestListThatIsBehind(t *testing.T) {
	ctx, b := openStore(t)
	if _, err := b.setUpMail(ctx, x); err != nil {
		t.Fatal(err)
	}
	b.know(y)
	known := map[core.ComponentID]bool{}
	if err := b.keepEntries(ctx, known); err != nil || !known[x] || known[y] {
		t.Errorf("got %v, %v, want the one that is in the directory", known, err)
	}
	b.unregister(x)
	b.know(x)
	known = map[core.ComponentID]bool{}
	if err := b.keepEntries(ctx, known); err != nil || len(known) > 0 {
		t.Errorf("got %v, %v, want none", known, err)
	}
}

// TestWordOfEachEntry: a host that has heard of a durable mailbox before it was in the directory, or while the
// directory was empty, hears another word afterwards, and looks again.
func TestWordOfEachEntry(t *testing.T) {
	ctx, b := openStore(t)
	if word := b.durables(); word != "" {
		t.Errorf("without a mailbox the word is %q", word)
	}
	if err := b.AttachDurable(x, takes{}); err != nil {
		t.Fatal(err)
	}
	before := b.durables()
	if before != b.durables() {
		t.Error("the word changes without a reason")
	}
	if _, err := b.setUpMail(ctx, x); err != nil {
		t.Fatal(err)
	}
	if after := b.durables(); after == before || after == "" {
		t.Errorf("the word is %q, as before the component was entered in the directory", after)
	}
}
