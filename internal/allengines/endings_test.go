package allengines

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

// roleVariable makes this test's executable a component.
const roleVariable = "AIRHOST_ALLENGINES_ROLE"

func servePlugin() {
	if os.Getenv(roleVariable) == "counting" {
		plugin.Serve(new(counting))
		return
	}
	if os.Getenv(roleVariable) == "fetcher" {
		plugin.Serve(fetcher{})
		return
	}
	if os.Getenv(roleVariable) == "hoarder" {
		plugin.Serve(new(hoarder))
		return
	}
	plugin.Serve(&unruly{release: make(chan struct{})})
}

// unruly obeys the first byte of a message, as the suite's actor does: e echoes, x
// traps, o never ends unless it is released, w waits a little, and r sends a request.
type unruly struct{ release <-chan struct{} }

func (u *unruly) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	switch message[0] {
	case 'x':
		panic("on purpose")
	case 'o':
		<-u.release
	case 'w':
		<-time.After(2 * time.Millisecond)
	case 'r':
		target, request := message[10:10+message[9]], message[10+message[9]:]
		_, err := h.Request(string(target), request, time.Duration(binary.LittleEndian.Uint64(message[1:]))*time.Millisecond)
		return nil, err
	}
	return message, nil
}

func (*unruly) HandleCallback(guest.Host, guest.RequestID, []byte, error) error { return nil }

// endingEngine is an engine on which all kinds of ends are tried.
type endingEngine struct {
	name    string
	rounds  int
	open    func() (core.Engine, error)
	sources func(release <-chan struct{}) [3]core.Source // of the components
}

func endingEngines(t *testing.T) []endingEngine {
	t.Helper()
	hostile, err := os.ReadFile("../../core/enginetest/testdata/hostile.wasm") // for its sleep
	check(t, err)
	wasm := func(<-chan struct{}) [3]core.Source {
		return [3]core.Source{enginetest.ActorWasm(), enginetest.ActorWasm(), {Code: hostile}}
	}
	path, err := os.Executable()
	check(t, err)
	command := process.Source(process.Command{Path: path, Env: []string{roleVariable + "=plugin", "GORACE=atexit_sleep_ms=0"}})
	caches := [2]string{t.TempDir(), t.TempDir()}
	engines := []endingEngine{
		{native.Name, 40, func() (core.Engine, error) { return native.New(native.Config{}) }, func(release <-chan struct{}) [3]core.Source {
			source := native.Source(func() guest.Component { return &unruly{release} })
			return [3]core.Source{source, source, source}
		}},
		{wazero.Name, 30, func() (core.Engine, error) { return wazero.New(wazero.Config{CacheDir: caches[0]}) }, wasm},
		{wasmtime.Name, 30, func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{CacheDir: caches[1]}) }, wasm},
		{process.Name, 3, func() (core.Engine, error) {
			return process.New(process.Config{Logger: slog.New(slog.DiscardHandler)})
		}, func(<-chan struct{}) [3]core.Source { return [3]core.Source{command, command, command} }},
	}
	if !wasmtime.Available {
		engines = append(engines[:2], engines[3])
	}
	return engines
}

// TestEndsInAnyOrder deploys, requests, undeploys, stops and closes at the same time,
// in any order and with any deadline, while guests loop, sleep and trap. Nothing
// crashes. Stop and Close leave nothing running, and every request ends once.
func TestEndsInAnyOrder(t *testing.T) {
	for _, e := range endingEngines(t) {
		t.Run(e.name, func(t *testing.T) {
			rounds := e.rounds
			if testing.Short() {
				rounds = 1 + rounds/10
			}
			for seed := range uint64(rounds) {
				if e.try(t, seed); t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// ending is one try.
type ending struct {
	endingEngine
	t       *testing.T
	host    *host.Host
	engine  core.Engine
	sources [3]core.Source
	patient bool          // handlers may take long
	many    int           // instances of each component
	ended   atomic.Uint64 // requests of this program that were taken and not canceled
	left    atomic.Bool   // Stop has left something behind
}

func (e endingEngine) try(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	engine, err := e.open()
	check(t, err)
	broker, err := []func() (core.Broker, error){newInproc, newChannel}[r.IntN(2)]()
	check(t, err)
	tracker, err := []func() (core.Tracker, error){newSlab, newTimermap}[r.IntN(2)]()
	check(t, err)
	h, err := host.New(host.Config{
		Workers: 1 + r.IntN(3), DrainTimeout: time.Duration(1+r.IntN(20)) * time.Millisecond,
		RequestTimeout: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}, broker, tracker, engine)
	check(t, err)
	check(t, h.Start(t.Context()))
	release := make(chan struct{})
	x := &ending{endingEngine: e, t: t, host: h, engine: engine, sources: e.sources(release), patient: r.IntN(2) == 0, many: 1 + 2*r.IntN(2)}
	var deployed sync.WaitGroup
	for which := range endingIDs {
		deployed.Go(func() { x.deploy(within(t), which) })
	}
	deployed.Wait()
	x.actAll(seed)
	close(release)
	x.finish()
}

// actAll lets goroutines do things at the same time.
func (e *ending) actAll(seed uint64) {
	var all sync.WaitGroup
	for n := range uint64(9) {
		r := rand.New(rand.NewPCG(seed, n+1))
		all.Go(func() {
			if n < 6 {
				for range 10 {
					e.act(r)
				}
				return
			}
			<-time.After(time.Duration(r.IntN(20)) * time.Millisecond)
			ctx, cancel := anyTime(r)
			defer cancel()
			if n == 6 {
				_ = e.engine.Close(ctx) // it is refused where something is in use
			} else {
				e.stop(ctx)
			}
		})
	}
	all.Wait()
}

// anyTime is a context that has ended, or will soon.
func anyTime(r *rand.Rand) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond}[r.IntN(4)])
}

var endingIDs = [3]core.ComponentID{id("t/a"), id("t/b"), id("t/c")}

func (e *ending) act(r *rand.Rand) {
	ctx, cancel := anyTime(r)
	defer cancel()
	which := r.IntN(len(endingIDs))
	switch r.IntN(16) {
	case 0:
		_ = e.host.Undeploy(ctx, endingIDs[which])
	case 1, 2:
		e.deploy(within(e.t), which)
	case 3:
		e.deploy(ctx, which)
	case 4, 5, 6, 7, 8:
		_ = e.host.Send(endingIDs[which], e.message(r, which))
	default:
		_, err := e.host.Request(ctx, endingIDs[which], e.message(r, which))
		if err == nil || errors.As(err, new(*core.RequestError)) {
			e.ended.Add(1)
		}
	}
}

// message is for the component. The third one of the WebAssembly engines only sleeps.
func (e *ending) message(r *rand.Rand, which int) []byte {
	if which == 2 && r.IntN(2) == 0 {
		return []byte("Ws")
	}
	switch r.IntN(8) {
	case 0:
		return []byte("x")
	case 1:
		return []byte("o")
	case 2:
		return []byte("w")
	case 3, 4:
		target := endingIDs[r.IntN(len(endingIDs))].String()
		message := binary.LittleEndian.AppendUint64([]byte("r"), uint64(1+r.IntN(10)))
		return append(append(append(message, byte(len(target))), target...), "eon"...)
	}
	return []byte("eon")
}

func (e *ending) deploy(ctx context.Context, which int) {
	d := host.Deployment{
		ID: endingIDs[which], Engine: e.name, Source: e.sources[which], Capabilities: all(),
		Limits:  core.Limits{HandlerTime: 5 * time.Millisecond, StartTime: time.Minute},
		Restart: host.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}, Instances: e.many,
	}
	if e.patient {
		d.Limits.HandlerTime = time.Hour
	}
	_ = e.host.Deploy(ctx, d) // it is there already, or the time is over
}

// stop stops the host. Unless it says that something was left behind, nothing of it
// is in the engine any more.
func (e *ending) stop(ctx context.Context) {
	err := e.host.Stop(ctx)
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "left behind"):
		e.left.Store(true)
		return
	case strings.Contains(err.Error(), "still being stopped"):
		return
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if closing := e.engine.Close(done); closing != nil {
		e.t.Errorf("Stop has returned %v, but: %v", err, closing)
	}
}

// finish checks that everything has ended.
func (e *ending) finish() {
	e.stop(within(e.t))
	check(e.t, e.engine.Close(within(e.t)))
	check(e.t, e.host.Quiesce(within(e.t)))
	s := e.host.Snapshot()
	var refused uint64
	for _, n := range s.Refused {
		refused += n
	}
	if s.Sent != s.Handled+s.Expired+s.DeadLetters+refused || s.Components != 0 {
		e.t.Errorf("messages do not add up: %+v", s)
	}
	// A component that is left behind may have requests that Stop has forgotten.
	if asked := s.Callbacks + s.Orphans + s.Canceled + e.ended.Load(); s.Requests != asked && !e.left.Load() {
		e.t.Errorf("%d requests have ended, of %d: %+v", asked, s.Requests, s)
	}
}
