package host_test

import (
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// fragile panics at "trap". To other messages it responds with how many of them its
// instance has handled.
func fragile(starts *atomic.Int32) func() guest.Component {
	return func() guest.Component {
		handled := byte(0)
		return behaviour{
			start: func(guest.Host, guest.Config) error { starts.Add(1); return nil },
			message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
				if string(message) == "trap" {
					panic("on purpose")
				}
				handled++
				return []byte{'0' + handled}, nil
			},
		}
	}
}

func fragileDeployment(starts *atomic.Int32, restart host.Restart) host.Deployment {
	d := deployment("a/fragile", nil)
	d.Source = core.Source{Value: fragile(starts)}
	d.Restart = restart
	return d
}

// TestRestart: after a trap the host makes a new instance, and calls the old one
// never again. The mailbox stays as it is.
func TestRestart(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var starts atomic.Int32
		check(t, h.Deploy(within(t), fragileDeployment(&starts, host.Restart{MaxRestarts: -1, Backoff: time.Microsecond})))
		for _, want := range []string{"1", "2"} {
			got, err := h.request("a/fragile", "count")
			check(t, err)
			equal(t, "count", got, want)
		}
		_, err := h.request("a/fragile", "trap")
		isError(t, "request that traps", err, core.ErrRequestTrapped)
		got, err := h.request("a/fragile", "count")
		check(t, err)
		equal(t, "count of the fresh instance", got, "1")
		equal(t, "instances initialized", starts.Load(), 2)

		for range 5 { // the failing message is not replayed, the others wait
			check(t, h.Send(id("a/fragile"), []byte("trap")))
			check(t, h.Send(id("a/fragile"), []byte("count")))
		}
		s := h.balance()
		equal(t, "dead letters", s.DeadLetters, 6)
		equal(t, "traps", s.Traps, 6)
		equal(t, "restarts", s.Restarts, 6)
		contains(t, "log", h.log.String(), "component ended")
	})
}

func TestRestartLimit(t *testing.T) {
	for name, test := range map[string]struct {
		restart host.Restart
		traps   int
	}{
		"temporary": {host.Restart{Policy: host.RestartTemporary}, 1},
		"transient": {host.Restart{MaxRestarts: 2, Backoff: time.Microsecond}, 3},
		"permanent": {host.Restart{Policy: host.RestartPermanent, MaxRestarts: 1, Backoff: time.Microsecond}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, host.Config{})
			o := newOutcomes()
			var starts atomic.Int32
			check(t, h.Deploy(within(t), fragileDeployment(&starts, test.restart)))
			h.deploy("a/asker", o.requester("a/fragile", 0))
			for range test.traps {
				_, err := h.request("a/fragile", "trap")
				isError(t, "request that traps", err, core.ErrRequestTrapped)
			}
			h.waitFor("failure", func() bool { return h.Components()[1].State == "failed" })
			_, err := h.request("a/fragile", "count")
			isError(t, "request to a failed component", err, core.ErrUnavailable)
			isError(t, "message to a failed component", h.Send(id("a/fragile"), nil), core.ErrUnavailable)
			_, err = h.request("a/asker", "count")
			contains(t, "a component's request to a failed one", err.Error(), "unavailable")
			equal(t, "instances", int(starts.Load()), test.traps)
			h.waitFor("the failure's log record", func() bool { return strings.Contains(h.log.String(), "component failed") })
			h.balance()

			check(t, h.Undeploy(within(t), id("a/fragile")))
			check(t, h.Deploy(within(t), fragileDeployment(&starts, test.restart)))
			_, err = h.request("a/fragile", "count")
			check(t, err)
		})
	}
}

// TestFailureEndsRequests: when a component fails, the requests in its mailbox end.
func TestFailureEndsRequests(t *testing.T) {
	h := start(t, host.Config{})
	entered, release := make(chan struct{}), make(chan struct{})
	d := deployment("a/once", responder(func([]byte) ([]byte, error) { close(entered); <-release; panic("on purpose") }))
	d.Restart.Policy = host.RestartTemporary
	check(t, h.Deploy(within(t), d))
	o := newOutcomes()
	h.deploy("a/asker", o.requester("a/once", 0))
	h.do("a/asker")
	receive(t, "entering", entered)
	h.do("a/asker")
	check(t, h.Send(id("a/once"), nil))
	close(release)
	contains(t, "the request it trapped on", receive(t, "callback", o.got), "trapped: ")
	equal(t, "the request behind", receive(t, "callback", o.got), "unavailable: a/once has failed")
	equal(t, "dead letters", h.balance().DeadLetters, 3)
}

// TestCallbackTraps: a trap in handle-callback ends the instance like any other.
func TestCallbackTraps(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	o := newOutcomes()
	asker := o.requester("a/echo", 0)
	asker.callback = func(guest.Host, guest.RequestID, []byte, error) error { panic("on purpose") }
	h.deploy("a/asker", asker)
	h.do("a/asker")
	s := h.balance()
	equal(t, "traps", s.Traps, 1)
	equal(t, "callbacks", s.Callbacks, 1)
	h.do("a/asker")
	h.balance()
}

func TestHealth(t *testing.T) {
	h := start(t, host.Config{})
	var health atomic.Int32
	var starts atomic.Int32
	d := deployment("a/sick", behaviour{
		start:  func(guest.Host, guest.Config) error { health.Store(int32(guest.Healthy)); starts.Add(1); return nil },
		health: func() guest.HealthStatus { return guest.HealthStatus(health.Load()) },
	})
	d.HealthInterval = time.Millisecond
	d.Restart = host.Restart{Policy: host.RestartPermanent, MaxRestarts: -1}
	check(t, h.Deploy(within(t), d))
	changes, cancel := h.Subscribe(100)
	health.Store(int32(guest.Degraded))
	h.waitFor("degraded", func() bool { return h.Components()[0].Health == core.HealthDegraded })
	equal(t, "instances", starts.Load(), 1)
	health.Store(int32(guest.Unhealthy))
	h.waitFor("restart", func() bool { return starts.Load() == 2 })
	h.waitFor("healthy", func() bool { return h.Components()[0].Health == core.HealthHealthy })
	h.do("a/sick")
	cancel()
	var kinds []host.EventKind
	for event := range changes {
		equal(t, "component of the event", event.Component, d.ID)
		kinds = append(kinds, event.Kind)
	}
	want := []host.EventKind{host.EventHealth, host.EventEnded, host.EventRestarted, host.EventHealth}
	if !slices.Equal(kinds, want) {
		t.Errorf("events: got %v, want %v", kinds, want)
	}
}

// TestHeldUpWorker: components whose calls do not return do not block the others.
func TestHeldUpWorker(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 1})
		release := make(chan struct{})
		h.deploy("a/echo", echo)
		h.deploy("b/echo", echo)
		o := newOutcomes()
		h.deploy("a/asker", o.requester("b/echo", 0))
		for _, name := range []string{"a/slow", "b/slow", "c/slow"} {
			h.deploy(name, behaviour{message: func(h guest.Host, _ string, _ []byte) ([]byte, error) {
				// a/asker is in the run-next slot of a blocked worker. Another one
				// runs it.
				err := h.Send("a/asker", []byte("x"))
				<-release
				return nil, err
			}})
			check(t, h.Send(id(name), nil))
		}
		for range 3 {
			equal(t, "outcome", receive(t, "callback", o.got), "ok x")
		}
		got, err := h.request("a/echo", "hello")
		check(t, err)
		equal(t, "response of the neighbour", got, "hello")
		close(release)
		s := h.balance()
		if s.WorkersHeldUp == 0 {
			t.Error("no worker was replaced")
		}
	})
}

// TestFairness: a third component gets its turn on the only worker while two others
// pass a ball around without an end.
func TestFairness(t *testing.T) {
	h := start(t, host.Config{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	var stop atomic.Bool
	for _, pair := range [][2]string{{"a/1", "a/2"}, {"a/2", "a/1"}} {
		h.deploy(pair[0], behaviour{message: func(h guest.Host, _ string, message []byte) ([]byte, error) {
			if stop.Load() {
				return nil, nil
			}
			return nil, h.Send(pair[1], message)
		}})
	}
	h.deploy("a/echo", echo)
	check(t, h.Send(id("a/1"), nil))
	got := make(chan struct{})
	h.deploy("a/signal", responder(func([]byte) ([]byte, error) { close(got); return nil, nil }))
	check(t, h.Send(id("a/signal"), nil))
	receive(t, "the signal", got)
	stop.Store(true)
	h.balance()
}

// TestSlowSubscriber: a slow subscriber does not block the host. Its next event says
// how many it has missed.
func TestSlowSubscriber(t *testing.T) {
	h := start(t, host.Config{})
	changes, cancel := h.Subscribe(1)
	defer cancel()
	for _, name := range []string{"a/1", "a/2", "a/3"} {
		h.deploy(name, echo)
	}
	equal(t, "the first event", receive(t, "event", changes).Component, id("a/1"))
	h.deploy("a/4", echo)
	event := receive(t, "event", changes)
	equal(t, "the next event", event.Component, id("a/4"))
	equal(t, "missed between", event.Missed, 2)
}

// TestLogQuota: the host drops and counts the lines of a guest that floods the log.
func TestLogQuota(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/noisy", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		for range 5000 {
			g.Log(guest.LogInfo, "flood")
		}
		g.Log(guest.LogInfo, strings.Repeat("x", 1<<20)) // it is cut, unless it is dropped
		return nil, nil
	}})
	h.do("a/noisy")
	h.quiesce()
	counters := h.Components()[0].Counters
	equal(t, "lines", counters.LogLines, 5001)
	lines := strings.Count(h.log.String(), "msg=flood")
	if lines < 1000 || lines > 2000 || counters.LogDrops < 3000 {
		t.Errorf("of 5,000 lines %d were written, and %d counted as dropped", lines, counters.LogDrops)
	}
	contains(t, "log", h.log.String(), "component=a/noisy")
	if err := h.Undeploy(t.Context(), id("a/noisy")); err != nil {
		t.Fatal(err)
	}
	equal(t, "dropped lines of the host", h.Snapshot().LogDrops, counters.LogDrops)
	contains(t, "log", h.log.String(), `level=WARN msg="log lines were dropped" component=a/noisy dropped=`)
	contains(t, "log", h.log.String(), "logs.lines_per_second (1000)")
}

// TestLogQuotaIsTheDeployments: a deployment may set its own quota of log lines.
func TestLogQuotaIsTheDeployments(t *testing.T) {
	h := start(t, host.Config{})
	d := deployment("a/noisy", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		for range 10 {
			g.Log(guest.LogInfo, "flood")
		}
		return nil, nil
	}})
	d.Limits.LogLines = 3
	if err := h.Deploy(within(t), d); err != nil {
		t.Fatal(err)
	}
	h.do("a/noisy")
	if err := h.Undeploy(t.Context(), id("a/noisy")); err != nil {
		t.Fatal(err)
	}
	equal(t, "lines in the log", strings.Count(h.log.String(), "msg=flood"), 3)
	contains(t, "log", h.log.String(), `dropped=7 limit="logs.lines_per_second (3)"`)
}

// TestEndIsOneError: the log has one record of level ERROR for the end of an
// instance, with the stack.
func TestEndIsOneError(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/b", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { panic("boom") }})
	if err := h.Send(id("a/b"), nil); err != nil {
		t.Fatal(err)
	}
	h.quiesce()
	var found int
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, "level=ERROR") {
			found++
			contains(t, "the record", line, `msg="component ended" component=a/b reason="trapped: fault: panic: boom" details="goroutine `)
		}
	}
	equal(t, "records of level ERROR", found, 1)
}

// TestLogIsEscaped: the log escapes the control characters of a guest.
func TestLogIsEscaped(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/evil", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		g.Log(guest.LogError, "\x1b[2J\nlevel=INFO msg=forged \xff\x00")
		return nil, nil
	}})
	h.do("a/evil")
	h.quiesce()
	for _, raw := range []string{"\x1b", "\nlevel=INFO msg=forged", "\xff", "\x00"} {
		if strings.Contains(h.log.String(), raw) {
			t.Errorf("%q is in the log as it came from the guest", raw)
		}
	}
	contains(t, "log", h.log.String(), `level=ERROR msg="\x1b[2J\nlevel=INFO msg=forged`)
}
