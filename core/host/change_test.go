package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestRestartOfRunning: a restart shuts the instance down after its call and makes a fresh
// one. Messages that wait and requests that are pending go to the fresh one.
func TestRestartOfRunning(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		instances, shutdowns := 0, 0
		d := r.deployment(nil)
		d.Source = native.Source(func() guest.Component {
			instances++
			b := r.version(fmt.Sprint("instance", instances))
			b.shutdown = func(guest.Host) { shutdowns++ }
			return b
		})
		check(t, r.Replace(t.Context(), d))
		r.tell("ask")
		changes, cancel := r.Subscribe(10)
		defer cancel()
		r.tell("wait")
		r.tell("cancel")
		restarted := background(func() error { return r.Restart(t.Context(), d.ID) })
		synctest.Wait()
		equal(t, "instances during the call", instances, 1)
		equal(t, "waiting", r.component("a/asker").Waiting, 1)
		close(r.gate)
		check(t, <-restarted)
		equal(t, "calls of shutdown", shutdowns, 1)
		<-time.After(20 * time.Millisecond)
		check(t, r.refused) // the fresh instance has canceled the request of the old one
		equal(t, "restarts", r.component("a/asker").Counters.Restarts, 1)
		equal(t, "events", kinds(changes), "restarted")
		r.tell("ask")
		close(r.release)
		s := r.finish("instance2 1 done<nil>")
		equal(t, "canceled", s.Canceled, 1)
		equal(t, "traps", s.Traps, 0)
	})
}

// TestRestartOfFailed: a restart brings a component back that has failed, or that waits for
// its restart. What it sends to itself in initialize waits.
func TestRestartOfFailed(t *testing.T) {
	for state, traps := range map[string]int{"failed": 3, "restarting": 2} {
		everyPart(t, func(t *testing.T, p parts) {
			bubble(t, func(t *testing.T) {
				h := p.start(t, host.Config{})
				b := behaviour{message: func(_ guest.Host, _ string, m []byte) ([]byte, error) {
					if string(m) == "trap" {
						panic("on purpose")
					}
					return m, nil
				}}
				var refused error
				b.start = func(g guest.Host, _ guest.Config) error { refused = g.Send(g.SelfID(), nil); return nil }
				d := deployment("a/b", b)
				d.Restart = host.Restart{MaxRestarts: 2, Backoff: time.Second, MaxBackoff: time.Second}
				check(t, h.Deploy(t.Context(), d))
				for range traps {
					check(t, h.Send(d.ID, []byte("trap")))
					if synctest.Wait(); traps == 3 {
						<-time.After(2 * time.Second)
					}
				}
				equal(t, "state before", h.component("a/b").State, state)
				changes, cancel := h.Subscribe(10)
				defer cancel()
				check(t, h.Restart(t.Context(), d.ID))
				check(t, refused)
				equal(t, "events", kinds(changes), "restarted")
				got, err := h.request("a/b", "hello")
				check(t, err)
				equal(t, "answer", got, "hello")
				equal(t, "state", h.component("a/b").State, "running")
				equal(t, "last error", h.component("a/b").LastError, "")
				<-time.After(2 * time.Second) // past the restart that it waited for
				s := h.balance()
				equal(t, "restarts", s.Restarts, uint64(traps))
				equal(t, "handled", s.Handled, s.Restarts+2) // one message to itself for each instance, and the request
			})
		})
	}
}

// TestRestartFails: if the fresh instance does not start, the restart policy decides.
func TestRestartFails(t *testing.T) {
	for policy, test := range map[host.RestartPolicy]struct{ events, state string }{
		host.RestartTransient: {"ended restarted", "running"},
		host.RestartTemporary: {"ended failed", "failed"},
	} {
		for _, failed := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				fails := false
				d := deployment("a/b", behaviour{
					start: func(guest.Host, guest.Config) error {
						if fails {
							fails = false
							return guest.Failed("no database")
						}
						return nil
					},
					message: func(_ guest.Host, _ string, m []byte) ([]byte, error) {
						if string(m) == "trap" {
							panic("on purpose")
						}
						return nil, nil
					},
				})
				d.Restart = host.Restart{Policy: policy, MaxRestarts: 1}
				check(t, h.Deploy(t.Context(), d))
				if failed { // before its restart
					for range 2 {
						_ = h.Send(d.ID, []byte("trap"))
						h.quiesce()
					}
					equal(t, "state before", h.component("a/b").State, "failed")
				}
				changes, cancel := h.Subscribe(10)
				defer cancel()
				fails = true
				isError(t, "restart", h.Restart(t.Context(), d.ID), core.ErrFailed)
				h.quiesce()
				equal(t, "events", kinds(changes), test.events)
				equal(t, "state", h.component("a/b").State, test.state)
				if err := h.Send(d.ID, nil); (err == nil) != (test.state == "running") {
					t.Errorf("a message to a component that is %s: %v", test.state, err)
				}
				h.balance()
			})
		}
	}
}

// TestRestartIsCutOff: the context of a restart cuts off the start, and not the call in
// progress.
func TestRestartIsCutOff(t *testing.T) {
	h := start(t, host.Config{})
	starts := make(chan struct{}, 1)
	hangs := false
	b := &toy{initialize: func(i *toyInstance) error {
		if hangs {
			hangs = false
			starts <- struct{}{}
			return i.hang()
		}
		return nil
	}}
	check(t, h.Deploy(within(t), toyDeployment("a/b", b)))
	hangs = true
	ctx, cancel := context.WithCancel(t.Context())
	restarted := background(func() error { return h.Restart(ctx, id("a/b")) })
	receive(t, "the start", starts)
	cancel()
	isError(t, "restart", receive(t, "its end", restarted), context.Canceled)
	h.do("a/b") // its policy has started it again
	equal(t, "instances", b.live.Load(), 1)
}

// TestUpdate: each setting that an update may change has its effect, with the same instance.
func TestUpdate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(d *host.Deployment)
		checks func(t *testing.T, h *testHost, last func(m string) error)
	}{
		"send": {func(d *host.Deployment) { d.Capabilities.Send = nil }, func(t *testing.T, _ *testHost, last func(string) error) {
			isError(t, "send", last("send"), guest.ErrCapabilityDenied)
			check(t, last("request"))
		}},
		"request": {func(d *host.Deployment) { d.Capabilities.Request = nil }, func(t *testing.T, _ *testHost, last func(string) error) {
			isError(t, "request", last("request"), guest.ErrCapabilityDenied)
			check(t, last("send"))
		}},
		"burst": {func(d *host.Deployment) { d.Quota.MessagesPerSecond, d.Quota.Burst = 1, 1 }, func(t *testing.T, _ *testHost, last func(string) error) {
			check(t, last("send"))
			isError(t, "send", last("send"), guest.ErrQuotaExceeded)
		}},
		"pending requests": {func(d *host.Deployment) { d.Quota.PendingRequests = 1 }, func(t *testing.T, _ *testHost, last func(string) error) {
			check(t, last("request"))
			isError(t, "two requests", last("two"), guest.ErrQuotaExceeded)
		}},
		"mailbox": {func(d *host.Deployment) { d.Limits.Mailbox = 1 }, func(t *testing.T, h *testHost, last func(string) error) {
			isError(t, "two messages to itself", last("self"), guest.ErrQueueFull)
		}},
		"mailbox bytes": {func(d *host.Deployment) { d.Limits.MailboxBytes = 2048 }, func(t *testing.T, h *testHost, last func(string) error) {
			isError(t, "two messages to itself", last("self"), guest.ErrQueueFull)
		}},
		"accept": {func(d *host.Deployment) { d.Accept.MessagesPerSecond = 1 }, func(t *testing.T, h *testHost, _ func(string) error) {
			check(t, h.Send(id("a/b"), nil))
			isError(t, "a second message", h.Send(id("a/b"), nil), core.ErrQueueFull)
		}},
		"log lines": {func(d *host.Deployment) { d.Limits.LogLines = 1 }, func(t *testing.T, h *testHost, last func(string) error) {
			check(t, last("log"))
			equal(t, "lines dropped", h.component("a/b").Counters.LogDrops, 1)
		}},
		"log bytes": {func(d *host.Deployment) { d.Limits.LogBytes = 1100 }, func(t *testing.T, h *testHost, last func(string) error) {
			check(t, last("log"))
			equal(t, "lines dropped", h.component("a/b").Counters.LogDrops, 1)
		}},
		"restart": {func(d *host.Deployment) { d.Restart.Policy = host.RestartTemporary }, func(t *testing.T, h *testHost, last func(string) error) {
			_ = last("trap")
			equal(t, "state", h.component("a/b").State, "failed")
		}},
		"health": {func(d *host.Deployment) { d.HealthInterval = time.Millisecond }, func(t *testing.T, h *testHost, last func(string) error) {
			<-time.After(20 * time.Millisecond)
			equal(t, "health", h.component("a/b").Health, core.HealthUnhealthy)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			everyPart(t, func(t *testing.T, p parts) {
				if strings.HasPrefix(p.name, "channel") && (strings.HasPrefix(name, "mailbox") || name == "accept") {
					t.Skip("this broker takes a message before the target does")
				}
				bubble(t, func(t *testing.T) {
					h := p.start(t, host.Config{})
					var starts atomic.Int32
					d, last := h.deployUpdated(&starts)
					check(t, last("send"))
					check(t, last("send"))
					changes, cancel := h.Subscribe(10)
					defer cancel()
					test.change(&d)
					d.Source = core.Source{} // the one that is deployed
					check(t, h.Update(t.Context(), d))
					equal(t, "events", kinds(changes), "updated")
					test.checks(t, h, last)
					equal(t, "instances", starts.Load(), 1)
					h.balance()
				})
			})
		})
	}
}

// deployUpdated deploys a/b, and returns its deployment and a function that makes it act and
// returns its last error.
func (h *testHost) deployUpdated(starts *atomic.Int32) (host.Deployment, func(m string) error) {
	var last error
	h.deploy("a/target", echo)
	d := deployment("a/b", behaviour{
		start:  func(guest.Host, guest.Config) error { starts.Add(1); return nil },
		health: func() guest.HealthStatus { return guest.Unhealthy },
		message: func(g guest.Host, _ string, m []byte) ([]byte, error) {
			switch string(m) {
			case "send":
				last = g.Send("a/target", nil)
			case "request":
				_, last = g.Request("a/target", nil, 0)
			case "two":
				_, first := g.Request("a/target", nil, 0)
				_, second := g.Request("a/target", nil, 0)
				last = errors.Join(first, second)
			case "self":
				first := g.Send("a/b", make([]byte, 100))
				g.Now() // sent
				last = errors.Join(first, g.Send("a/b", make([]byte, 1500)))
			case "log":
				g.Log(guest.LogInfo, strings.Repeat("x", core.MaxDetails))
				g.Log(guest.LogInfo, strings.Repeat("x", core.MaxDetails))
			case "trap":
				panic("on purpose")
			}
			return nil, nil
		},
	})
	d.Limits.MessageSize = 1600
	check(h.t, h.Deploy(within(h.t), d))
	return d, func(m string) error {
		h.t.Helper()
		last = nil
		check(h.t, h.Send(d.ID, []byte(m)))
		h.quiesce()
		return last
	}
}

// TestUpdateIsRefused: an update names what needs a replacement, and changes nothing then.
func TestUpdateIsRefused(t *testing.T) {
	h := start(t, host.Config{})
	d := deployment("a/b", echo)
	d.Config = []core.ConfigPair{{Key: "a", Value: "1"}}
	d.Source.Path, d.Source.Code = "a", []byte("a")
	check(t, h.Deploy(within(t), d))
	changes, cancel := h.Subscribe(10)
	defer cancel()
	for name, change := range map[string]func(d *host.Deployment){
		"engine": func(d *host.Deployment) { d.Engine = "toy" },
		"source": func(d *host.Deployment) { d.Source.Value = func() guest.Component { return echo } },
		"source: only a replacement can change it\n": func(d *host.Deployment) { d.Source.Path = "b" },
		"source: only":               func(d *host.Deployment) { d.Source.Value = 5 },
		"source: only a":             func(d *host.Deployment) { d.Source.Code = []byte("b") },
		"source: only a replacement": func(d *host.Deployment) { d.Source.SHA256 = make([]byte, 32) },
		"config":                     func(d *host.Deployment) { d.Config = nil },
		"limits":                     func(d *host.Deployment) { d.Limits.MessageSize = 100 },
		"limits: only a replacement can change it\n": func(d *host.Deployment) { d.Limits.HandlerTime = time.Second },
		"config: only a replacement can change it\nlimits": func(d *host.Deployment) {
			d.Config, d.Limits.StartTime = nil, time.Second
		},
	} {
		changed := d
		change(&changed)
		changed.Capabilities, changed.Limits.Mailbox = host.Capabilities{}, 1
		err := h.Update(within(t), changed)
		isError(t, name, err, host.ErrNeedsReplacement)
		contains(t, name, fmt.Sprint(err)+"\n", name)
	}
	for name, change := range map[string]struct {
		change func(d *host.Deployment)
		want   error
	}{
		"invalid":      {func(d *host.Deployment) { d.Quota.Burst = -1 }, host.ErrInvalidDeployment},
		"not enforced": {func(d *host.Deployment) { d.Limits.Memory = 32 << 20 }, host.ErrLimitNotEnforced}, // the default
		"not deployed": {func(d *host.Deployment) { d.ID = id("a/c") }, core.ErrTargetNotFound},
	} {
		changed := d
		change.change(&changed)
		isError(t, name, h.Update(within(t), changed), change.want)
	}
	equal(t, "events", len(changes), 0)
	check(t, h.Update(within(t), d)) // nothing has changed, and this changes nothing
	h.do("a/b")
}

// TestUpdateWaitsForTheCall: an update is made between two calls.
func TestUpdateWaitsForTheCall(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		r.tell("wait")
		d := r.deployment(nil)
		d.Source, d.Capabilities = core.Source{}, host.Capabilities{}
		isError(t, "update during a call", r.Update(limited(t, time.Second), d), context.DeadlineExceeded)
		updated := background(func() error { return r.Update(t.Context(), d) })
		synctest.Wait()
		equal(t, "updates that have ended", len(updated), 0)
		close(r.gate)
		check(t, <-updated)
		r.tell("ask")
		isError(t, "a request", r.refused, guest.ErrCapabilityDenied)
		close(r.release)
		r.finish("")
	})
}

// TestUpdateEndsHealthChecks: after an update to no interval the health is not asked for.
func TestUpdateEndsHealthChecks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		asked := 0
		d := deployment("a/b", behaviour{health: func() guest.HealthStatus { asked++; return guest.Healthy }})
		d.HealthInterval = 10 * time.Millisecond
		check(t, h.Deploy(t.Context(), d))
		<-time.After(25 * time.Millisecond)
		equal(t, "asked", asked, 2)
		d.HealthInterval = 0
		check(t, h.Update(t.Context(), d))
		<-time.After(time.Second)
		equal(t, "asked", asked, 2)
	})
}

// TestReplaceHealth: the new version's health is its own.
func TestReplaceHealth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		d := deployment("a/b", behaviour{health: func() guest.HealthStatus { return guest.Degraded }})
		d.HealthInterval = time.Millisecond
		check(t, h.Deploy(t.Context(), d))
		<-time.After(20 * time.Millisecond)
		equal(t, "health", h.component("a/b").Health, core.HealthDegraded)
		h.replace("a/b", echo)
		equal(t, "health of the new version", h.component("a/b").Health, core.HealthHealthy)
	})
}

// TestChangeEvents: each change of a component has its events, in this order.
func TestChangeEvents(t *testing.T) {
	h := start(t, host.Config{})
	changes, cancel := h.Subscribe(20)
	defer cancel()
	d := deployment("a/b", echo)
	check(t, h.Deploy(within(t), d))
	check(t, h.Replace(within(t), d))
	check(t, h.Update(within(t), d))
	check(t, h.Restart(within(t), d.ID))
	refuses := deployment("a/b", behaviour{start: func(guest.Host, guest.Config) error { return guest.Failed("no") }})
	isError(t, "replace", h.Replace(within(t), refuses), core.ErrFailed)
	check(t, h.Undeploy(within(t), d.ID))
	for _, want := range strings.Fields("deployed replacing replaced updated restarted replacing rolled-back undeployed") {
		e := receive(t, want, changes)
		equal(t, "event", string(e.Kind), want)
		equal(t, "component", e.Component, d.ID)
		equal(t, "reason of "+want, e.Reason != nil, want == "rolled-back")
	}
	equal(t, "events left", len(changes), 0)
	contains(t, "log", h.log.String(), `level=ERROR msg="component rolled-back" component=a/b reason="failed: no"`)
}
