//go:build cgo && (linux || darwin) && (amd64 || arm64)

package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/core/host"
)

// TestEnginesMakeNoDifference has two hosts do the same, one with its guests on
// wazero and one with the same guests on Wasmtime, whose engine answers part of
// what they ask by grants. Each has a single worker, and time that passes only
// while all is done, so that what comes of it is certain.
//
// Left out is what engines may differ in: when a guest is interrupted, what is
// said of a stack that is used up, what current-time is (Wasmtime's is not the
// bubble's), a trap's details, and, of the counters, WorkersHeldUp and
// AuditDropped, which depend on how fast the machine is.
func TestEnginesMakeNoDifference(t *testing.T) {
	cache := map[string]string{wazero.Name: t.TempDir(), wasmtime.Name: t.TempDir()}
	plans := uint64(40)
	if testing.Short() {
		plans = 10
	}
	var seen strings.Builder
	for seed := range plans {
		plan := newPlan(seed)
		want := plan.follow(t, wazero.Name, cache)
		got := plan.follow(t, wasmtime.Name, cache)
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("seed %d, observation %d: got\n%.3000s\nwant, as on wazero,\n%.3000s", seed, i, got[i], want[i])
			}
			seen.WriteString(want[i])
		}
	}
	if testing.Short() {
		return
	}
	// What the plans are there for has happened.
	for _, what := range []string{
		"capability-denied", "target-not-found", "queue-full", "invalid-argument", "unavailable",
		"quota-exceeded: messages_per_second", "quota-exceeded: message_size", "quota-exceeded: pending_requests",
		"Timeouts:1", "Canceled:1", "Late:1", "trapped: fault: unreachable", "trapped: abi", "trapped: fuel: it used up its fuel",
		"failed: it was told to",
	} {
		contains(t, "what was seen", seen.String(), what)
	}
}

// plan is what a Go program does with a host, step by step.
type plan struct {
	fuel  uint64 // of all guests
	steps []planStep
}

type planStep struct {
	target  core.ComponentID
	payload []byte
	request bool          // of the Go program's own; else it only sends
	again   bool          // the target is deployed anew, before
	pass    time.Duration // after it
}

// The components. Those of scripted do what they are told in several steps. One
// more, b/slow, is for opening alone: when it is started again is left to chance.
var (
	scripted = []string{"a/one", "a/two", "a/narrow", "b/plain", "b/denied"}
	others   = []string{"c/actor", "c/responder", "x/none", "not an id"}
)

// Pauses after a step: in the first all is done but for quotas, of which a part
// comes back; that all of a token does in no whole number of them.
const (
	short = 23 * time.Millisecond
	long  = 20 * time.Second
)

// deployments are all components, on an engine.
func (p plan) deployments(t *testing.T, engine string, script []byte) []host.Deployment {
	t.Helper()
	d := func(name string, code []byte, change func(*host.Deployment)) host.Deployment {
		d := host.Deployment{
			ID: id(name), Engine: engine, Source: core.Source{Code: code}, Capabilities: all(),
			Limits:  core.Limits{Fuel: p.fuel, Mailbox: 6, MessageSize: 4000},
			Quota:   host.Quota{MessagesPerSecond: 1000, Burst: 1000},
			Restart: host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond},
		}
		change(&d)
		return d
	}
	return []host.Deployment{
		d("a/one", script, func(*host.Deployment) {}),
		d("a/two", script, func(d *host.Deployment) {
			d.Capabilities = host.Capabilities{Send: grant(t, "a/*"), Request: grant(t, "a/one", "c/*")}
			d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 2}
		}),
		d("a/narrow", script, func(d *host.Deployment) {
			d.Limits.Mailbox, d.Limits.MessageSize, d.Quota.PendingRequests = 1, 600, 1
		}),
		d("b/plain", script, func(*host.Deployment) {}),
		// It waits for longer than requests do.
		d("b/slow", script, func(d *host.Deployment) {
			d.Restart.Backoff, d.Restart.MaxBackoff = 10*time.Second, 10*time.Second
		}),
		d("b/denied", script, func(d *host.Deployment) { d.Capabilities = host.Capabilities{} }),
		d("c/actor", enginetest.ActorWasm().Code, func(d *host.Deployment) { d.Restart.Policy = host.RestartTemporary }),
		d("c/responder", enginetest.ResponderWasm().Code, func(*host.Deployment) {}),
	}
}

// follow has a host do it, and returns what is to be seen of it, step by step.
func (p plan) follow(t *testing.T, engine string, cache map[string]string) (seen []string) {
	t.Helper()
	script, err := os.ReadFile("../../backends/wasmtime/testdata/script.wasm") // its source is beside it
	check(t, err)
	synctest.Test(t, func(t *testing.T) {
		h, stop := startOn(t, engine, cache)
		deployments := make(map[core.ComponentID]host.Deployment)
		for _, d := range p.deployments(t, engine, script) {
			deployments[d.ID] = d
			check(t, h.Deploy(t.Context(), d))
		}
		for _, step := range p.steps {
			if step.again {
				check(t, h.Undeploy(t.Context(), step.target))
				check(t, h.Deploy(t.Context(), deployments[step.target]))
			}
			seen = append(seen, h.step(t, step))
		}
		seen = append(seen, h.observe(t))
		stop()
		seen = append(seen, sorted(h.log.String()))
	})
	return seen
}

// startOn returns a host with an engine, and what ends both.
func startOn(t *testing.T, engine string, cache map[string]string) (h *testHost, stop func()) {
	t.Helper()
	var e core.Engine
	var err error
	if engine == wazero.Name {
		e, err = wazero.New(wazero.Config{CacheDir: cache[engine]})
	} else {
		e, err = wasmtime.New(wasmtime.Config{CacheDir: cache[engine]})
	}
	check(t, err)
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	log := new(lockedBuffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "details" || a.Key == "engine" {
			return slog.Attr{}
		}
		return a
	}}))
	inner, err := host.New(host.Config{Workers: 1, RequestTimeout: time.Second, Logger: logger}, broker, tracker, e)
	check(t, err)
	check(t, inner.Start(t.Context()))
	return &testHost{Host: inner, t: t, log: log}, func() {
		check(t, inner.Stop(context.Background()))
		check(t, e.Close(context.Background()))
	}
}

// step does one step, waits until all of it is done, and tells what came of it.
func (h *testHost) step(t *testing.T, s planStep) string {
	var what string
	if s.request {
		response, err := h.Request(t.Context(), s.target, s.payload)
		what = fmt.Sprintf("request to %s: %q, %v\n", s.target, response, err)
	} else {
		what = fmt.Sprintf("send to %s: %v\n", s.target, h.Send(s.target, s.payload))
	}
	synctest.Wait()
	<-time.After(s.pass) // in the bubble, where that takes no time
	synctest.Wait()
	return what + h.observe(t)
}

// observe tells all that a Go program can see of its host.
func (h *testHost) observe(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	s := h.Snapshot()
	s.WorkersHeldUp, s.AuditDropped = 0, 0
	fmt.Fprintf(&b, "%+v\n", s)
	for _, c := range h.Components() {
		c.Engine = ""
		fmt.Fprintf(&b, "%+v\n", c)
	}
	for _, l := range h.DeadLetters() {
		fmt.Fprintf(&b, "dead letter: %s to %s, request %t, %d bytes %.60q: %s\n", l.Sender, l.Target, l.Request, l.Size, l.Payload, l.Reason)
	}
	return b.String()
}

// sorted returns the lines of a log: the audit's come when they come.
func sorted(log string) string {
	lines := strings.Split(log, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
