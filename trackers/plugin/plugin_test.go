package plugin

import (
	"context"
	"log/slog"
	"testing"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/trackertest"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	sdk "github.com/airhost/airhost/plugin"
	"github.com/airhost/airhost/trackers/slab"
)

// roles are the trackers that this test's executable runs when it is started as a
// process.
var roles = extensiontest.Roles{
	"slab":   func() { sdk.ServeTracker(newSlab()) },
	"panics": func() { sdk.ServeTracker(panics{newSlab()}) },
}

func TestMain(m *testing.M) { roles.Main(m) }

func newSlab() core.Tracker {
	tracker, err := slab.New(slab.Config{})
	if err != nil {
		panic(err)
	}
	return tracker
}

// child returns a started tracker with this test's executable, in a role, as its
// process.
func child(t testing.TB, role string) (*Tracker, error) {
	t.Helper()
	tracker, err := New(childConfig(t, role))
	if err != nil {
		return nil, err
	}
	return tracker, tracker.Start(context.Background())
}

func childConfig(t testing.TB, role string) Config {
	t.Helper()
	command := roles.Command(t, role)
	return Config{Path: command.Path, Args: command.Args, Env: command.Env, Logger: slog.New(slog.DiscardHandler)}
}

// newInMemory returns a started tracker with a slab in this process instead of another
// process.
func newInMemory() (core.Tracker, error) {
	tracker, err := newTracker(Config{Logger: slog.New(slog.DiscardHandler)},
		extensiontest.InMemory(func(s grpc.ServiceRegistrar) { sdk.RegisterTracker(s, newSlab()) }))
	if err != nil {
		return nil, err
	}
	return tracker, tracker.Start(context.Background())
}

func TestTrackerInMemory(t *testing.T) { trackertest.Run(t, newInMemory) }

func TestTrackerProcess(t *testing.T) {
	trackertest.RunOutside(t, func() (core.Tracker, error) { return child(t, "slab") })
}
