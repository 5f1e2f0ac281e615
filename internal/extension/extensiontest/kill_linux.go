package extensiontest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/extension"
	"github.com/airhost/airhost/internal/spawn"
	"github.com/airhost/airhost/internal/spawn/spawntest"
)

// Quickly restarts a killed process without limit and almost at once.
var Quickly = core.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}

// Start starts an extension's process.
type Start func(context.Context) (extension.Process, error)

// Open returns a broker and a tracker. One of the two is an extension that starts
// its processes with start and restarts them by [Quickly].
type Open func(start Start) (core.Broker, core.Tracker, error)

// KillUnderLoad kills an extension again and again at random moments, while
// components and a Go program send messages and requests through it. It checks that
// each request ends once, that no message is handled twice, that each process is
// restarted, that the host keeps working, and that nothing grows or is left. The
// command's Kind is that of the extension.
func KillUnderLoad(t *testing.T, command spawn.Command, open Open) {
	spawntest.TempDir(t)
	kills := spawntest.Kills(t)
	newTarget(t, command, open).stop(t) // for the resources that stay open for the whole process
	before := spawntest.Measure(t)

	target := newTarget(t, command, open)
	target.kill(t, (kills+9)/10)
	steady := spawntest.Measure(t)
	target.kill(t, kills-(kills+9)/10)
	steady.Flat(t, "after the kills")
	target.check(t, kills)
	target.stop(t)
	target = nil // frees the counters
	before.Flat(t, "after the host's end")
}

// mostMessages is the number of messages that a target can count, far more than a
// test with this many kills sends.
func mostMessages(kills int) int { return 1<<20 + kills<<14 }

// target is a host with a broker or tracker that the test kills.
type target struct {
	host   *host.Host
	starts atomic.Int32 // started processes
	killer spawntest.Killer
	asker  spawntest.Asker

	next     atomic.Uint64   // number of the last message
	handled  []atomic.Uint32 // by message number: how often it was handled
	answered atomic.Int64
	refused  atomic.Int64 // refused requests, and those that ended with unavailable
}

var (
	echoID  = core.MustComponentID("kill/echo")
	askerID = core.MustComponentID("kill/asker")
)

func newTarget(t *testing.T, command spawn.Command, open Open) *target {
	t.Helper()
	g := &target{handled: make([]atomic.Uint32, mostMessages(spawntest.Kills(t))), asker: spawntest.Asker{Target: echoID.String()}}
	broker, tracker, err := open(func(ctx context.Context) (extension.Process, error) {
		g.starts.Add(1)
		return extension.Spawn(ctx, command)
	})
	must(t, err)
	engine, err := native.New(native.Config{})
	must(t, err)
	g.host, err = host.New(host.Config{Logger: slog.New(slog.DiscardHandler), RequestTimeout: time.Hour}, broker, tracker, engine)
	must(t, err)
	must(t, g.host.Start(t.Context()))
	g.deploy(t, echoID, echo{g})
	g.deploy(t, askerID, &g.asker)
	return g
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (g *target) deploy(t *testing.T, id core.ComponentID, component guest.Component) {
	t.Helper()
	pattern, err := core.ParseIDPattern(echoID.String())
	must(t, err)
	must(t, g.host.Deploy(t.Context(), host.Deployment{
		ID: id, Engine: native.Name, Source: core.Source{Value: func() guest.Component { return component }},
		Capabilities: host.Capabilities{Request: []core.IDPattern{pattern}},
		Limits:       core.Limits{HandlerTime: time.Minute},
		Quota:        host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1e6},
	}))
}

// echo counts messages and returns them. It takes long enough that requests are
// pending whenever a process dies.
type echo struct{ *target }

func (e echo) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	e.handled[binary.LittleEndian.Uint64(message)].Add(1)
	<-time.After(50 * time.Microsecond)
	return message, nil
}

func (g *target) message() []byte {
	return binary.LittleEndian.AppendUint64(nil, g.next.Add(1))
}

// kill kills the process so many times, under load, and returns when the host is
// idle.
func (g *target) kill(t *testing.T, times int) {
	var over atomic.Bool
	progress := make(chan bool, 1) // one value per request: whether it was answered
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for !over.Load() {
				answered := g.send(t)
				if !answered {
					<-time.After(time.Millisecond) // the process is down: leave the processor to the next start
				}
				select {
				case progress <- answered:
				default:
				}
			}
		})
	}
	for range times {
		early := rand.N(4) == 0 // kill perhaps before the process is up
		for left := rand.N(100); left > 0; {
			if <-progress || early {
				left--
			}
		}
		g.killer.Kill(t)
	}
	over.Store(true)
	senders.Wait()
	g.killer.Await(t)
	g.quiesce(t) // only the new process sends later answers
	answered := g.asker.Answered()
	spawntest.Await(t, "an answer to a component after the last kill", func() bool {
		g.tell(t, askerID)
		return g.asker.Answered() > answered
	})
	g.quiesce(t)
}

func (g *target) quiesce(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, g.host.Quiesce(ctx))
}

// send sends one message of each kind. It reports whether the request was answered.
func (g *target) send(t *testing.T) bool {
	g.tell(t, echoID)
	g.tell(t, askerID)
	return g.request(t)
}

func (g *target) tell(t *testing.T, id core.ComponentID) {
	if err := g.host.Send(id, g.message()); err != nil && !allowed(err) {
		t.Errorf("a message to %s is refused: %v", id, err)
	}
}

// request sends a request and reports whether it was answered. It must be answered,
// or fail with one of the allowed errors.
func (g *target) request(t *testing.T) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // bounds a request that never ends
	defer cancel()
	request := g.message()
	response, err := g.host.Request(ctx, echoID, request)
	if err != nil {
		g.refused.Add(1)
		if !allowed(err) {
			t.Errorf("a request ended with %v", err)
		}
		return false
	}
	g.answered.Add(1)
	if handled := g.handled[binary.LittleEndian.Uint64(request)].Load(); !bytes.Equal(response, request) || handled != 1 {
		t.Errorf("request %x is answered with %x, and was handled %d times", request, response, handled)
	}
	return true
}

// allowed reports whether a process's death may cause err. A timeout is not allowed.
func allowed(err error) bool {
	return errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrQueueFull) || errors.Is(err, core.ErrRequestUnavailable)
}

// check checks the counters of an idle target.
func (g *target) check(t *testing.T, kills int) {
	if starts := int(g.starts.Load()); starts != kills+1 {
		t.Errorf("%d processes were started, want one, and another after each of %d kills", starts, kills)
	}
	for number := range g.handled {
		if times := g.handled[number].Load(); times > 1 {
			t.Errorf("message %d was handled %d times", number, times)
		}
	}
	g.asker.Check(t)
	if pending := g.host.Snapshot().Pending; pending != 0 {
		t.Errorf("%d requests are pending", pending)
	}
	t.Logf("in %d kills %d requests of a Go program's were answered and %d not", kills, g.answered.Load(), g.refused.Load())
}

func (g *target) stop(t *testing.T) {
	must(t, g.host.Stop(context.Background()))
}
