package host_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// hookedLog calls a function with each record's message.
type hookedLog struct {
	slog.Handler
	hook func(message string)
}

func hooked(hook func(message string)) *slog.Logger {
	return slog.New(hookedLog{slog.DiscardHandler, hook})
}

func (l hookedLog) Enabled(context.Context, slog.Level) bool { return true }
func (l hookedLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l hookedLog) Handle(_ context.Context, r slog.Record) error {
	l.hook(r.Message)
	return nil
}

// TestUndeployDuringFailure undeploys a component while a worker, which owns it, is
// about to give it up.
func TestUndeployDuringFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failing, release := make(chan struct{}), make(chan struct{})
		h := start(t, host.Config{Logger: hooked(func(message string) {
			if message == "component failed" {
				close(failing)
				<-release
			}
		})})
		h.deploy("a/echo", echo)
		d := deployment("a/once", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			check(t, g.Send("a/echo", nil))
			panic("on purpose")
		}})
		d.Restart.Policy = host.RestartTemporary
		check(t, h.Deploy(within(t), d))
		check(t, h.Send(d.ID, nil))
		<-failing
		undeployed := make(chan error, 1)
		go func() { undeployed <- h.Undeploy(within(t), d.ID) }()
		synctest.Wait()
		close(release)
		check(t, <-undeployed)
		isError(t, "send to what is gone", h.Send(d.ID, nil), core.ErrTargetNotFound)
		s := h.balance()
		equal(t, "traps", s.Traps, 1)
		equal(t, "components", s.Components, 1)
	})
}

// TestLogMayAskTheHost: a log handler may read the host's state at every record, for
// instance to add figures to it.
func TestLogMayAskTheHost(t *testing.T) {
	var h *testHost
	var mu sync.Mutex
	asked := map[string]bool{}
	h = start(t, host.Config{Logger: hooked(func(message string) {
		h.Components()
		h.Snapshot()
		mu.Lock()
		defer mu.Unlock()
		asked[message] = true
	})})
	done := make(chan struct{})
	go func() {
		defer close(done)
		d := deployment("a/sick", behaviour{
			message: func(guest.Host, string, []byte) ([]byte, error) { panic("on purpose") },
			health:  func() guest.HealthStatus { return guest.Degraded },
		})
		d.HealthInterval = time.Millisecond
		d.Restart.MaxRestarts = 1
		check(t, h.Deploy(within(t), d))
		h.waitFor("a check of its health", func() bool { return h.Components()[0].Health == core.HealthDegraded })
		for range 2 {
			check(t, h.Send(d.ID, nil))
		}
		h.waitFor("failure", func() bool { return h.Components()[0].State == "failed" })
		check(t, h.Undeploy(within(t), d.ID))
	}()
	receive(t, "the end of the deployment", done)
	mu.Lock()
	defer mu.Unlock()
	for _, message := range []string{"deployed", "health", "ended", "restarted", "failed", "undeployed"} {
		if !asked["component "+message] {
			t.Errorf("%q was not logged", message)
		}
	}
}

// TestSnapshotWhileDeploying: no count is lost while components are deployed and
// undeployed.
func TestSnapshotWhileDeploying(t *testing.T) {
	h := start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})
	stop := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for last := (host.Snapshot{}); ; {
			s := h.Snapshot()
			if s.Handled < last.Handled || s.Sent < last.Sent {
				t.Errorf("counters go back: %+v after %+v", s, last)
			}
			last = s
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 300 {
		h.deploy("a/short", behaviour{
			start:    func(g guest.Host, _ guest.Config) error { _ = g.Send("a/nobody", nil); return nil },
			shutdown: func(g guest.Host) { _ = g.Send("a/nobody", nil) },
		})
		h.do("a/short")
		check(t, h.Undeploy(within(t), id("a/short")))
	}
	close(stop)
	reading.Wait()
	equal(t, "refused", h.balance().Refused["target-not-found"], 600)
}

// TestRequestAtShutdown: the requests that a component sends in its shutdown leave
// the tracker with it.
func TestRequestAtShutdown(t *testing.T) {
	h := start(t, host.Config{})
	release := make(chan struct{})
	defer close(release)
	h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
	h.deploy("a/last", behaviour{shutdown: func(g guest.Host) {
		_, err := g.Request("a/slow", nil, time.Hour)
		check(t, err)
	}})
	check(t, h.Undeploy(within(t), id("a/last")))
	equal(t, "pending", h.Snapshot().Pending, 0)
}

// TestRestartsWithoutALimit: after some time without an end, the next restart
// follows without a pause.
func TestRestartsWithoutALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var restarted []time.Time
		h := start(t, host.Config{Logger: hooked(func(message string) {
			if strings.HasSuffix(message, "restarted") {
				restarted = append(restarted, time.Now())
			}
		})})
		d := deployment("a/fragile", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
		d.Restart = host.Restart{MaxRestarts: -1, Within: time.Minute, Backoff: time.Second}
		check(t, h.Deploy(within(t), d))
		for range 3 {
			check(t, h.Send(d.ID, nil))
		}
		<-time.After(2 * time.Minute)
		began := time.Now()
		check(t, h.Send(d.ID, nil))
		synctest.Wait()
		equal(t, "restarts", len(restarted), 4)
		equal(t, "pause before the last", restarted[3].Sub(began), 0)
	})
}
