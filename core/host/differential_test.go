//go:build cgo && (linux || darwin) && (amd64 || arm64)

package host_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
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

// The components. Those of scripted do what they are told in several steps.
var (
	scripted = []string{"a/one", "a/two", "a/narrow", "b/slow", "b/denied"}
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
			d.Capabilities = host.Capabilities{Send: grant(t, "a/*"), Request: grant(t, "a/one", "c/*")}
			d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 2}
		}),
		d("a/narrow", script, func(d *host.Deployment) {
			d.Limits.Mailbox, d.Limits.MessageSize, d.Quota.PendingRequests = 1, 600, 1
		}),
		// It waits for longer than requests do; when is left to chance.
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
	return &testHost{inner, t, log}, func() {
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
	time.Sleep(s.pass) // in the bubble
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

// newPlan makes a plan at random.
func newPlan(seed uint64) plan {
	g := &planner{Rand: rand.New(rand.NewPCG(seed, 0))}
	if seed%2 == 0 {
		g.fuel = 3_000_000
	}
	p := plan{fuel: g.fuel}
	for range 25 {
		step := planStep{target: id(g.pick(scripted)), pass: 20 * time.Millisecond}
		switch g.IntN(12) {
		case 0: // requests of a Go program run beside the worker: nothing else happens then
			step.request, step.payload = true, g.alone()
		case 1:
			step.target, step.payload = id("c/actor"), g.forActor(3)
		case 2:
			step.again, step.payload = true, g.script(3)
		case 3:
			step.pass, step.payload = 20*time.Second, g.script(3)
		default:
			step.payload = g.script(3)
		}
		p.steps = append(p.steps, step)
	}
	for _, name := range scripted { // what their callbacks were told
		p.steps = append(p.steps, planStep{target: id(name), request: true, payload: []byte("k"), pass: 20 * time.Second})
	}
	return p
}

// planner makes up what guests are told to do.
type planner struct {
	*rand.Rand
	fuel uint64
}

func (g *planner) pick(from []string) string { return from[g.IntN(len(from))] }

func (g *planner) target() string {
	if g.IntN(4) == 0 {
		return g.pick(others)
	}
	return g.pick(scripted)
}

// alone is a script that does not send.
func (g *planner) alone() []byte {
	s := new(work)
	s.named("e", g.text(10)).named("l", g.text(5))
	return s.then("ik" + g.pick([]string{"", "", "f", "x"})).message()
}

// forTarget is a message that the target understands, or not.
func (g *planner) forTarget(target string, depth int) []byte {
	switch {
	case g.IntN(15) == 0:
		return g.text(g.IntN(6000))
	case depth <= 0 || target == "c/responder":
		return g.text(g.IntN(40))
	case target == "c/actor":
		return g.forActor(depth)
	}
	return g.script(depth)
}

// text is of '.', which ends a script.
func (g *planner) text(size int) []byte { return bytes.Repeat([]byte("."), size) }

// forActor is a message for the suite's actor. Its requests are left out: it
// answers with their ids, which no two hosts give alike.
func (g *planner) forActor(depth int) []byte {
	target := g.target()
	to := append([]byte{byte(len(target))}, target...)
	message := g.forTarget(target, depth-1)
	switch g.IntN(7) {
	case 0:
		return slices.Concat([]byte("e"), message)
	case 1:
		return []byte("f\x01not ready")
	case 2:
		return []byte("l\x03a line")
	case 3:
		if g.IntN(4) == 0 {
			return []byte("x")
		}
		return []byte("w")
	}
	return slices.Concat([]byte("s"), to, message)
}

func (g *planner) timeout() uint64 {
	return []uint64{0, 5, 50, 800, 86_400_000, 86_400_001, 1 << 63}[g.IntN(7)]
}

// script is one for a scripted component, to do up to so many hops away.
func (g *planner) script(depth int) []byte {
	s := new(work)
	for range 1 + g.IntN(4) {
		g.addStep(s, depth)
	}
	return s.message()
}

func (g *planner) addStep(s *work, depth int) {
	target := g.target()
	message := g.forTarget(target, depth-1)
	switch n := g.IntN(40); {
	case depth > 0 && n < 12:
		s.named("s", []byte(target), message).number(g.area())
	case depth > 0 && n < 26:
		s.named("R", []byte(target), message).wide(g.timeout()).number(g.area())
	case depth > 0 && n < 30: // the response has the requester do more
		s.named("e", append([]byte("!"), g.script(depth-1)...))
	case n < 32:
		s.then("C").number(uint32(g.IntN(4)))
	case n < 34:
		s.named("l", message)
	case n < 35:
		s.then("x")
	case n < 36:
		s.then("f")
	case n < 37 && g.fuel > 0:
		s.then("o")
	case n < 38: // more than its quota, out of what there is behind its message
		s.named("s", []byte(target)).number(0).number(5000).number(0)
	default:
		s.named("e", message).then("i")
	}
}

// area is the guest's own, or one that breaks the ABI.
func (g *planner) area() uint32 {
	if g.IntN(40) == 0 {
		return 1<<31 + uint32(g.IntN(1000))
	}
	return 0
}

// work writes a message for the guest of backends/wasmtime/testdata/script.c:
// the steps, and after them what they name.
type work struct {
	code, data []byte
	names      []int // where in code a place in data is named
}

func (s *work) then(letters string) *work {
	s.code = append(s.code, letters...)
	return s
}

func (s *work) number(n uint32) *work {
	s.code = binary.LittleEndian.AppendUint32(s.code, n)
	return s
}

func (s *work) wide(n uint64) *work {
	s.code = binary.LittleEndian.AppendUint64(s.code, n)
	return s
}

func (s *work) named(letter string, all ...[]byte) *work {
	s.then(letter)
	for _, b := range all {
		s.names = append(s.names, len(s.code))
		s.number(uint32(len(s.data))).number(uint32(len(b)))
		s.data = append(s.data, b...)
	}
	return s
}

func (s *work) message() []byte {
	code := append(bytes.Clone(s.code), '.')
	for _, at := range s.names {
		place := binary.LittleEndian.Uint32(code[at:]) + uint32(len(code))
		binary.LittleEndian.PutUint32(code[at:], place)
	}
	return append(code, s.data...)
}
