//go:build cgo && (linux || darwin) && (amd64 || arm64)

package allengines

import (
	"os"
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

// TestEnginesMakeNoDifference compares two hosts, one with its guests on wazero, and one
// with the same guests on Wasmtime. Wasmtime's engine answers a part of their calls by
// the ledger. Each host has a single worker, and time passes only while nothing runs,
// so that both must come to the same.
//
// The test leaves out the things in which engines may differ: when a guest is
// interrupted, the text for a stack that is used up, current-time (Wasmtime does not
// use the bubble's), a trap's details, the memory of guests, and the counters
// WorkersHeldUp and AuditDropped, which depend on the speed of the machine.
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
	// The plans must have led to all of these.
	for _, want := range []string{
		"capability-denied", "target-not-found", "queue-full", "invalid-argument", "unavailable",
		"quota-exceeded: messages_per_second", "quota-exceeded: message_size", "quota-exceeded: pending_requests",
		"Timeouts:1", "Canceled:1", "Late:1", "trapped: fault: unreachable", "trapped: abi", "trapped: fuel: it used up its fuel",
		"failed: it was told to", "Fired:2", "a timer",
	} {
		if !strings.Contains(seen.String(), want) {
			t.Errorf("no plan led to %q", want)
		}
	}
}

// plan is a list of things that a Go program does with a host.
type plan struct {
	fuel  uint64 // of all guests
	steps []planStep
}

// The components. Those of scripted obey messages of several steps. One more, b/slow,
// is for opening only, because it starts again at a random time.
var (
	scripted = []string{"a/one", "a/two", "a/narrow", "b/plain", "b/denied"}
	others   = []string{"c/actor", "c/responder", "x/none", "not an id"}
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
			d.Capabilities = host.Capabilities{Send: patterns("a/*"), Request: patterns("a/one", "c/*")}
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

// follow takes the plan's steps with a host, and returns the observation after each.
func (p plan) follow(t *testing.T, engine string, cache map[string]string) (seen []string) {
	t.Helper()
	script, err := os.ReadFile("../../backends/wasmtime/testdata/script.wasm") // its source is beside it
	check(t, err)
	synctest.Test(t, func(t *testing.T) {
		h, log, stop := startWith(t, opened(t, engine, cache[engine]))
		seen = takeAll(t, h, p.deployments(t, engine, script), p.steps)
		seen = append(seen, observe(h))
		stop()
		seen = append(seen, sorted(log.String()))
	})
	return seen
}

// opened returns an engine of this name.
func opened(t *testing.T, name, cache string) (e core.Engine) {
	t.Helper()
	var err error
	if name == wazero.Name {
		e, err = wazero.New(wazero.Config{CacheDir: cache})
	} else {
		e, err = wasmtime.New(wasmtime.Config{CacheDir: cache})
	}
	check(t, err)
	return e
}
