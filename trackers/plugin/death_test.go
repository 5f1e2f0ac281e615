package plugin

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/extension"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	"github.com/airhost/airhost/internal/spawn"
	sdk "github.com/airhost/airhost/plugin"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
	"github.com/airhost/airhost/trackers/internal/model"
)

const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not for %v: %s", patience, what)
		}
	}
}

func TestModel(t *testing.T) { model.Check(t, newInMemory) }

// waiter counts the ends of its requests, by timeout and by the end of the process.
type waiter struct{ expired, abandoned atomic.Int32 }

func (w *waiter) Expired(_ core.RequestID, reason *core.RequestError) {
	if reason == core.ErrTimeout {
		w.expired.Add(1)
	} else {
		w.abandoned.Add(1)
	}
}

// asker is a component that sends a request to the stuck component.
type asker struct{ got chan error }

func (s asker) HandleMessage(h guest.Host, _ string, _ []byte) ([]byte, error) {
	_, err := h.Request("test/stuck", nil, time.Hour)
	return nil, err
}

func (s asker) HandleCallback(_ guest.Host, _ guest.RequestID, _ []byte, err error) error {
	s.got <- err
	return nil
}

// stuck is a component with a handler that returns only when it is released.
type stuck struct{ entered, release chan struct{} }

func (s stuck) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	return nil, nil
}

func deploy(t testing.TB, h *host.Host, id string, c guest.Component) core.ComponentID {
	t.Helper()
	all, err := core.ParseIDPattern("*")
	check(t, err)
	d := host.Deployment{
		ID: core.MustComponentID(id), Engine: native.Name, Source: core.Source{Value: func() guest.Component { return c }},
		Capabilities: host.Capabilities{Send: []core.IDPattern{all}, Request: []core.IDPattern{all}},
	}
	check(t, h.Deploy(within(t), d))
	return d.ID
}

// TestKilled kills the tracker of a host several times: pending requests end with
// unavailable, and the restarted tracker accepts requests again.
func TestKilled(t *testing.T) {
	var now atomic.Pointer[spawn.Process]
	command := roles.Command(t, "slab")
	command.Kind = kind
	tracker, err := newTracker(Config{
		Logger:  slog.New(slog.DiscardHandler),
		Restart: core.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond},
	}, func(ctx context.Context) (extension.Process, error) {
		p, err := spawn.Start(ctx, command)
		if err != nil {
			return nil, err
		}
		now.Store(p)
		return p, nil
	})
	check(t, err)
	check(t, tracker.Start(within(t)))
	broker, err := inproc.New(inproc.Config{})
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler), RequestTimeout: time.Hour}, broker, tracker, engine)
	check(t, err)
	check(t, h.Start(within(t)))
	defer func() { check(t, h.Stop(within(t))) }()
	release := make(chan struct{})
	defer close(release)
	busy := make(chan struct{}, 1)
	target := deploy(t, h, "test/stuck", stuck{busy, release})
	check(t, h.Send(target, nil))
	<-busy // later messages wait in the mailbox
	callbacks := make(chan error, 10)
	asking := deploy(t, h, "test/asker", asker{callbacks})

	for range 5 {
		isUp(t, tracker)
		check(t, h.Send(asking, nil))
		calls := make(chan error, 1)
		go func() {
			_, err := h.Request(context.Background(), target, nil)
			calls <- err
		}()
		waitFor(t, "two requests", func() bool { return tracker.Pending() == 2 })
		now.Load().Kill()
		if err := <-calls; !errors.Is(err, core.ErrRequestUnavailable) {
			t.Errorf("a Go program's request ended with %v, want unavailable", err)
		}
		if err := <-callbacks; !errors.Is(err, guest.ErrRequestUnavailable) {
			t.Errorf("a guest's request ended with %v, want unavailable", err)
		}
	}
}

// isUp waits until the tracker accepts a request.
func isUp(t testing.TB, tracker core.Tracker) {
	t.Helper()
	w := new(waiter)
	waitFor(t, "the tracker is up", func() bool {
		id, err := tracker.Register(w, time.Hour)
		if err != nil && !errors.Is(err, core.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil && tracker.Cancel(id, w)
	})
}

// script is a service with a method Watch from a test.
type script struct {
	pluginv1.UnimplementedTrackerServer
	watch func(pluginv1.Tracker_WatchServer) error
}

func (s script) Watch(stream pluginv1.Tracker_WatchServer) error { return s.watch(stream) }

// scripted returns a tracker with a process that runs watch. life counts the starts of
// the process.
func scripted(t testing.TB, watch func(life int32, stream pluginv1.Tracker_WatchServer) error) *Tracker {
	t.Helper()
	var lives atomic.Int32
	tracker, err := newTracker(Config{Logger: slog.New(slog.DiscardHandler)}, extensiontest.InMemory(func(s grpc.ServiceRegistrar) {
		life := lives.Add(1)
		pluginv1.RegisterTrackerServer(s, script{watch: func(stream pluginv1.Tracker_WatchServer) error { return watch(life, stream) }})
	}))
	check(t, err)
	return tracker
}

// follow reports that the tracker is ready, and calls change for each change until the
// host ends the stream.
func follow(stream pluginv1.Tracker_WatchServer, change func(id uint64, kind int64) (expired []uint64)) error {
	_ = stream.Send(new(pluginv1.Expirations))
	for {
		changes, err := stream.Recv()
		if err != nil {
			return nil
		}
		for i, id := range changes.Ids {
			if expired := change(id, changes.Changes[i]); expired != nil {
				_ = stream.Send(&pluginv1.Expirations{Ids: expired})
			}
		}
	}
}

// TestEarly: a tracker that ends a request before its timeout is replaced, and all
// that was pending ends as unavailable.
func TestEarly(t *testing.T) {
	tracker := scripted(t, func(life int32, stream pluginv1.Tracker_WatchServer) error {
		told := 0
		return follow(stream, func(id uint64, _ int64) []uint64 {
			if told++; life == 1 && told == 2 {
				return []uint64{id}
			}
			return nil
		})
	})
	check(t, tracker.Start(within(t)))
	defer tracker.Close()
	w := new(waiter)
	for range 2 {
		_, err := tracker.Register(w, time.Hour)
		check(t, err)
	}
	waitFor(t, "the end of both requests", func() bool { return w.abandoned.Load() == 2 })
	isUp(t, tracker)
	if w.expired.Load() != 0 {
		t.Error("a request expired before its timeout")
	}
}

// TestUnknownExpirations: ids that are not pending are ignored.
func TestUnknownExpirations(t *testing.T) {
	tracker := scripted(t, func(_ int32, stream pluginv1.Tracker_WatchServer) error {
		return follow(stream, func(id uint64, _ int64) []uint64 { return []uint64{0, 1<<64 - 1, id + 1} })
	})
	check(t, tracker.Start(within(t)))
	defer tracker.Close()
	w := new(waiter)
	id, err := tracker.Register(w, time.Hour)
	check(t, err)
	for range 10 {
		_, err := tracker.Register(new(waiter), time.Hour)
		check(t, err)
	}
	if got, ok := tracker.Resolve(id); !ok || got != core.Waiter(w) {
		t.Errorf("Resolve returned %v, %t", got, ok)
	}
}

// TestNeverExpires: a process that forgets requests is restarted.
func TestNeverExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := scripted(t, func(_ int32, stream pluginv1.Tracker_WatchServer) error {
			return follow(stream, func(uint64, int64) []uint64 { return nil })
		})
		check(t, tracker.Start(context.Background()))
		w := new(waiter)
		id, err := tracker.Register(w, time.Second)
		check(t, err)
		_, err = tracker.Register(w, time.Minute)
		check(t, err)
		if _, ok := tracker.Resolve(id); !ok { // its deadline was the earliest
			t.Error("the request is not pending")
		}
		_, err = tracker.Register(w, 2*time.Second)
		check(t, err)
		<-time.After(2*time.Second + overdue - time.Millisecond)
		if got := w.abandoned.Load(); got != 0 {
			t.Errorf("%d requests were abandoned before anything was overdue", got)
		}
		<-time.After(2 * overdueCheck)
		synctest.Wait()
		if got := w.abandoned.Load(); got != 2 {
			t.Errorf("%d requests were abandoned, want 2", got)
		}
		check(t, tracker.Close())
	})
}

// TestQuickRequests: the process does not hear of requests that end before their
// changes are sent, and no change of another request is lost.
func TestQuickRequests(t *testing.T) {
	var told, ended atomic.Int32
	tracker := scripted(t, func(_ int32, stream pluginv1.Tracker_WatchServer) error {
		return follow(stream, func(_ uint64, kind int64) []uint64 {
			if kind > 0 {
				told.Add(1)
			} else {
				ended.Add(1)
			}
			return nil
		})
	})
	check(t, tracker.Start(within(t)))
	const rounds = 10_000
	w := new(waiter)
	for range rounds {
		first, err := tracker.Register(w, time.Hour)
		check(t, err)
		second, err := tracker.Register(w, time.Hour)
		check(t, err)
		for _, id := range []core.RequestID{first, second} {
			if _, ok := tracker.Resolve(id); !ok {
				t.Fatal("a request got lost")
			}
		}
	}
	check(t, tracker.Close())
	if told.Load() != ended.Load() || told.Load() > 2*rounds {
		t.Errorf("the process was told of %d requests and of the end of %d", told.Load(), ended.Load())
	}
}

func TestVersions(t *testing.T) {
	tracker := scripted(t, func(_ int32, stream pluginv1.Tracker_WatchServer) error {
		first, err := stream.Recv()
		check(t, err)
		if first.Version != 1 {
			t.Errorf("the host says version %d", first.Version)
		}
		return status.Error(codes.FailedPrecondition, "it speaks version 2")
	})
	if err := tracker.Start(within(t)); err == nil || !strings.Contains(err.Error(), "it speaks version 2") {
		t.Errorf("got %v, want the tracker's reason", err)
	}
	p, err := extensiontest.InMemory(func(s grpc.ServiceRegistrar) { sdk.RegisterTracker(s, newSlab()) })(t.Context())
	check(t, err)
	defer p.Close(t.Context())
	stream, err := pluginv1.NewTrackerClient(p.Conn()).Watch(within(t))
	check(t, err)
	check(t, stream.Send(&pluginv1.TrackerChanges{Version: 2}))
	if _, err := stream.Recv(); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a host of version 2 got %v", err)
	}
}

func TestMistakes(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no path: got no error")
	}
	if _, err := New(Config{Path: "./x", Restart: core.Restart{Backoff: -1}}); err == nil {
		t.Error("a negative backoff: got no error")
	}
	tracker, err := New(Config{Path: "./x"})
	check(t, err)
	if _, err := tracker.Register(new(waiter), time.Second); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Register before Start: got %v, want unavailable", err)
	}
	if _, err := tracker.Register(nil, time.Second); !errors.Is(err, core.ErrInvalidArgument) {
		t.Errorf("Register without a waiter: got %v, want invalid-argument", err)
	}
	check(t, tracker.Close())
	if err := tracker.Start(within(t)); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Start after Close: got %v, want closed", err)
	}
}
