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

// TestListThatIsBehind: a component that is missing in the list of the directory, which may come from a
// replica that is behind, keeps its durable mailbox if the leader knows of it.
func TestListThatIsBehind(t *testing.T) {
	s := natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := New(Config{URL: s.ClientURL(), Host: "one", Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = b.Open(ctx, new(sink))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close(ctx) }()
	if _, err = b.setUpMail(ctx, x); err != nil {
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
