package host_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// replacing is a host with a/slow, which answers when release is closed, and a/asker, whose
// versions note the ends of their requests.
type replacing struct {
	*testHost
	release, gate chan struct{}
	ids           []guest.RequestID
	ends          []string // "VERSION REQUEST OUTCOME"
	refused       error    // of the last request or cancel
	asks          int      // requests that a/asker may have pending
}

func startReplacing(t *testing.T, p parts) *replacing {
	r := &replacing{testHost: p.start(t, host.Config{DrainTimeout: 10 * time.Millisecond}), release: make(chan struct{}), gate: make(chan struct{}), asks: 1}
	slow := deployment("a/slow", responder(func(m []byte) ([]byte, error) { <-r.release; return []byte("done"), nil }))
	slow.Limits.HandlerTime = time.Hour
	check(t, r.Deploy(t.Context(), slow))
	check(t, r.Deploy(t.Context(), r.deployment(r.version("old"))))
	return r
}

func (r *replacing) deployment(c guest.Component) host.Deployment {
	d := deployment("a/asker", c)
	d.Quota.PendingRequests, d.Limits.HandlerTime = r.asks, time.Hour
	return d
}

// version returns a version of a/asker. It sends a request at "ask", cancels the last one at
// "cancel", and waits for the gate at "wait".
func (r *replacing) version(name string) behaviour {
	return behaviour{
		message: func(g guest.Host, _ string, m []byte) ([]byte, error) {
			switch string(m) {
			case "ask":
				r.ask(g)
			case "cancel":
				r.refused = g.Cancel(r.ids[len(r.ids)-1])
			case "wait":
				g.Now()
				<-r.gate
			}
			return nil, nil
		},
		callback: func(_ guest.Host, id guest.RequestID, response []byte, failure error) error {
			r.ends = append(r.ends, fmt.Sprint(name, " ", slices.Index(r.ids, id), " ", string(response), failure))
			return nil
		},
	}
}

// asksAtStart is version with a request in initialize.
func (r *replacing) asksAtStart(name string) behaviour {
	b := r.version(name)
	b.start = func(g guest.Host, _ guest.Config) error { r.ask(g); return nil }
	return b
}

func (r *replacing) ask(g guest.Host) {
	var asked guest.RequestID
	if asked, r.refused = g.Request("a/slow", nil, time.Second); r.refused == nil {
		r.ids = append(r.ids, asked)
	}
}

func (r *replacing) tell(m string) {
	r.t.Helper()
	check(r.t, r.Send(id("a/asker"), []byte(m)))
	<-time.After(20 * time.Millisecond) // all workers may be blocked until the watchdog looks
}

func (r *replacing) replaceBy(c guest.Component) {
	r.t.Helper()
	check(r.t, r.Replace(within(r.t), r.deployment(c)))
	synctest.Wait()
}

// finish checks the ends of the requests, and that none is pending.
func (r *replacing) finish(want string) host.Snapshot {
	r.t.Helper()
	s := r.balance()
	equal(r.t, "ends", strings.Join(r.ends, ", "), want)
	equal(r.t, "pending", s.Pending, 0)
	if r.component("a/asker").Engine == "native" { // its quota is free again
		asked := len(r.ids)
		r.replaceBy(r.version("last"))
		r.tell("ask")
		check(r.t, r.refused)
		equal(r.t, "requests", len(r.ids), asked+1)
		r.balance()
	}
	return s
}

// eachReplacing runs a test in a bubble for all parts.
func eachReplacing(t *testing.T, test func(t *testing.T, r *replacing)) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) { test(t, startReplacing(t, p)) })
	})
}

// TestPendingRequests: a request that the old version has sent ends at the new one, under the
// same id. The new one may cancel it.
func TestPendingRequests(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		r.tell("ask")
		r.replaceBy(r.version("new"))
		r.tell("ask")
		isError(t, "a second request", r.refused, guest.ErrQuotaExceeded)
		close(r.release)
		r.finish("new 0 done<nil>")
	})
	eachReplacing(t, func(t *testing.T, r *replacing) {
		r.tell("ask")
		r.replaceBy(r.version("new"))
		<-time.After(2 * time.Second)
		equal(t, "timeouts", r.Snapshot().Timeouts, 1)
		close(r.release)
		r.finish("new 0 timeout")
	})
	eachReplacing(t, func(t *testing.T, r *replacing) {
		r.tell("ask")
		r.replaceBy(r.version("new"))
		r.tell("cancel")
		check(t, r.refused)
		equal(t, "pending", r.Snapshot().Pending, 0)
		r.tell("cancel")
		isError(t, "a second cancel", r.refused, guest.ErrRequestNotFound)
		close(r.release)
		equal(t, "canceled", r.finish("").Canceled, 1)
	})
}

// TestNewVersionWithoutCallback: the outcome of a request is dropped if the new version
// exports no handle-callback.
func TestNewVersionWithoutCallback(t *testing.T) {
	mute := responder(func(m []byte) ([]byte, error) { return m, nil })
	for _, outcome := range []string{"response", "timeout"} {
		eachReplacing(t, func(t *testing.T, r *replacing) {
			r.tell("ask")
			r.replaceBy(mute)
			if outcome == "timeout" {
				<-time.After(2 * time.Second)
			}
			close(r.release)
			s := r.finish("")
			equal(t, "orphans", s.Orphans, 1)
			equal(t, "callbacks", s.Callbacks, 0)
		})
	}
	eachReplacing(t, func(t *testing.T, r *replacing) { // Stop ends the request
		r.tell("ask")
		r.replaceBy(mute)
		stopped := background(func() error { return r.Stop(within(t)) })
		<-time.After(20 * time.Millisecond) // Stop waits for a/slow
		close(r.release)
		check(t, <-stopped)
		s := r.Snapshot()
		equal(t, "orphans", s.Orphans, 1)
		equal(t, "callbacks", s.Callbacks, 0)
	})
}

// TestRequestsOfInitialize: the outcome of a request that the new version sends in
// initialize, while the old one runs, comes to the new one, whether it has come before the
// hand-over or comes after it.
func TestRequestsOfInitialize(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		replaced := r.replaceDuringCall(t.Context(), r.asksAtStart("new"))
		close(r.release)
		synctest.Wait()
		equal(t, "ends before the hand-over", len(r.ends), 0)
		close(r.gate)
		check(t, <-replaced)
		r.finish("new 0 done<nil>")
	})
	for _, end := range []string{"done<nil>", "timeout", ""} {
		eachReplacing(t, func(t *testing.T, r *replacing) {
			replaced := r.replaceDuringCall(t.Context(), r.asksAtStart("new"))
			close(r.gate)
			check(t, <-replaced)
			r.tell("ask")
			isError(t, "a second request", r.refused, guest.ErrQuotaExceeded)
			switch end {
			case "timeout":
				<-time.After(2 * time.Second)
			case "":
				r.tell("cancel")
				check(t, r.refused)
				equal(t, "pending", r.Snapshot().Pending, 0)
			}
			close(r.release)
			if end == "" {
				r.finish("")
			} else {
				r.finish("new 0 " + end)
			}
		})
	}
}

// replaceDuringCall begins a replacement while the old version is in a call.
func (r *replacing) replaceDuringCall(ctx context.Context, c guest.Component) <-chan error {
	r.tell("wait")
	replaced := background(func() error { return r.Replace(ctx, r.deployment(c)) })
	synctest.Wait()
	return replaced
}

// TestRequestsOfFormerVersions: a request may outlive several versions, and ends with the
// component.
func TestRequestsOfFormerVersions(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		r.replaceBy(r.asksAtStart("second"))
		r.replaceBy(r.version("third"))
		r.replaceBy(r.version("fourth"))
		r.tell("ask")
		isError(t, "a second request", r.refused, guest.ErrQuotaExceeded)
		close(r.release)
		r.finish("fourth 0 done<nil>")
	})
	eachReplacing(t, func(t *testing.T, r *replacing) {
		r.replaceBy(r.asksAtStart("second"))
		check(t, r.Undeploy(t.Context(), id("a/asker")))
		equal(t, "pending", r.Snapshot().Pending, 0)
		close(r.release)
		s := r.balance()
		equal(t, "orphans", s.Orphans, 1)
		equal(t, "late", s.Late, 1)
	})
	eachReplacing(t, func(t *testing.T, r *replacing) { // Stop calls back
		r.replaceBy(r.asksAtStart("second"))
		stopped := background(func() error { return r.Stop(within(t)) })
		<-time.After(20 * time.Millisecond)
		close(r.release)
		check(t, <-stopped)
		equal(t, "ends", strings.Join(r.ends, ", "), "second 0 done<nil>")
	})
}

// TestRollBackOfRequests: after a roll-back nothing is left of the new version's requests.
func TestRollBackOfRequests(t *testing.T) {
	for _, late := range []bool{false, true} {
		eachReplacing(t, func(t *testing.T, r *replacing) {
			ctx, cancel := context.WithCancel(t.Context())
			replaced := r.replaceDuringCall(ctx, r.asksAtStart("new"))
			if !late {
				close(r.release)
				synctest.Wait()
			}
			cancel()
			isError(t, "replace", <-replaced, context.Canceled)
			equal(t, "pending", r.Snapshot().Pending, 0)
			if late {
				close(r.release)
			}
			close(r.gate)
			s := r.finish("")
			equal(t, "orphans", s.Orphans, 1)
			equal(t, "callbacks", s.Callbacks, 0)
		})
	}
}

// TestInitializeFails: a new version that refuses in initialize, or traps, leaves nothing.
func TestInitializeFails(t *testing.T) {
	for name, fails := range map[string]func() error{
		"refuses": func() error { return guest.Failed("no database") },
		"traps":   func() error { panic("boom") },
	} {
		eachReplacing(t, func(t *testing.T, r *replacing) {
			next := r.version("new")
			next.start = func(g guest.Host, _ guest.Config) error { r.ask(g); return fails() }
			changes, cancel := r.Subscribe(10)
			defer cancel()
			if err := r.Replace(t.Context(), r.deployment(next)); err == nil {
				t.Error(name + ": no error")
			}
			equal(t, "pending", r.Snapshot().Pending, 0)
			equal(t, "events", kinds(changes), "replacing rolled-back")
			close(r.release)
			s := r.finish("")
			equal(t, "traps", s.Traps, 0)
			equal(t, "components", s.Components, 2)
		})
	}
	h := start(t, host.Config{})
	h.deploy("a/b", echo)
	d := deployment("a/b", echo)
	d.Engine = "v8"
	isError(t, "unknown engine", h.Replace(within(t), d), host.ErrUnknownEngine)
	d = deployment("a/b", echo)
	d.Limits.Fuel = 1
	isError(t, "a limit that is not kept", h.Replace(within(t), d), host.ErrLimitNotEnforced)
	d.Limits.Mailbox = -1
	isError(t, "a wrong limit", h.Replace(within(t), d), core.ErrOutOfRange)
	h.do("a/b")
}

// TestOutcomesOfFailed: outcomes that wait when a component fails do not use up the quota of
// the version that replaces it.
func TestOutcomesOfFailed(t *testing.T) {
	eachReplacing(t, func(t *testing.T, r *replacing) {
		fails := r.version("fails")
		act := fails.message
		fails.message = func(g guest.Host, sender string, m []byte) ([]byte, error) {
			if _, _ = act(g, sender, m); string(m) == "wait" {
				panic("on purpose")
			}
			return nil, nil
		}
		d := r.deployment(fails)
		d.Restart.Policy = host.RestartTemporary
		check(t, r.Replace(t.Context(), d))
		r.tell("ask")
		r.tell("wait")
		close(r.release)
		<-time.After(20 * time.Millisecond)
		equal(t, "outcomes that wait", r.component("a/asker").Waiting, 1)
		close(r.gate)
		<-time.After(20 * time.Millisecond)
		equal(t, "state", r.component("a/asker").State, "failed")
		equal(t, "orphans", r.finish("").Orphans, 1)
	})
}
