package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

func TestFailedInitializeKeepsFromStarting(t *testing.T) {
	h := start(t, host.Config{})
	fail := true
	component := behaviour{start: func(guest.Host, guest.Config) error {
		if fail {
			return guest.Failed("no database")
		}
		return nil
	}}
	err := h.Deploy(within(t), deployment("a/db", component))
	isError(t, "deployment", err, core.ErrFailed)
	contains(t, "deployment", err.Error(), "no database")
	fail = false
	h.deploy("a/db", component)
	h.do("a/db")
}

func TestLifecycle(t *testing.T) {
	h := start(t, host.Config{})
	var calls []string
	d := deployment("a/managed", behaviour{
		start: func(h guest.Host, config guest.Config) error {
			calls = append(calls, fmt.Sprintf("initialize %v", config))
			check(t, h.Send(h.SelfID(), nil)) // it waits
			return h.Send("a/probe", nil)
		},
		message:  func(guest.Host, string, []byte) ([]byte, error) { calls = append(calls, "message"); return nil, nil },
		shutdown: func(guest.Host) { calls = append(calls, "shutdown") },
	})
	d.Config = []core.ConfigPair{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}}
	h.deploy("a/probe", echo)
	err := h.Deploy(within(t), d)
	check(t, err)
	h.do("a/managed")
	h.quiesce()
	check(t, h.Undeploy(within(t), d.ID))
	got := strings.Join(calls, ", ")
	if got != "initialize [{b 1} {a 2}], message, message, shutdown" {
		t.Errorf("calls: %s", got)
	}
	isError(t, "second undeployment", h.Undeploy(within(t), d.ID), core.ErrTargetNotFound)
	h.balance()
}

// TestUndeployWithRequestsPending: when a component is undeployed, the requests in
// its mailbox end with target-not-found, and other messages become dead letters.
func TestUndeployWithRequestsPending(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var once sync.Once
		entered, release := make(chan struct{}), make(chan struct{})
		o := newOutcomes()
		h.deploy("a/busy", responder(func([]byte) ([]byte, error) {
			once.Do(func() { close(entered) })
			<-release
			return []byte("done"), nil
		}))
		h.deploy("a/asker", o.requester("a/busy", 0))
		h.do("a/asker")
		receive(t, "the first request", entered)
		h.do("a/asker")
		check(t, h.Send(id("a/busy"), []byte("lost")))
		h.waitFor("two waiting messages", func() bool { return h.Components()[1].Waiting == 2 })

		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		isError(t, "undeployment during a call", h.Undeploy(ctx, id("a/busy")), context.DeadlineExceeded)
		undeployed := make(chan error)
		go func() { undeployed <- h.Undeploy(within(t), id("a/busy")) }()
		close(release)
		check(t, receive(t, "undeployment", undeployed))
		outcomes := []string{receive(t, "callback", o.got), receive(t, "callback", o.got)}
		// The scheduler decides how many of them are handled before.
		for _, outcome := range outcomes {
			if outcome != "ok done" && outcome != "target-not-found: a/busy" {
				t.Errorf("outcome: %q", outcome)
			}
		}
		isError(t, "send to what was undeployed", h.Send(id("a/busy"), nil), core.ErrTargetNotFound)
		h.balance()
	})
}

// waitFor waits until is returns true because of another goroutine.
func (h *testHost) waitFor(name string, is func() bool) {
	h.t.Helper()
	for begin := time.Now(); !is(); runtime.Gosched() {
		if time.Since(begin) > 20*time.Second {
			h.t.Fatalf("never came: %s; %+v", name, h.Snapshot())
		}
	}
}

// TestUndeployRequester: when a requester is undeployed, its requests leave the
// tracker. The host drops and counts their outcomes.
func TestUndeployRequester(t *testing.T) {
	h := start(t, host.Config{})
	began, release := make(chan struct{}), make(chan struct{})
	o := newOutcomes()
	h.deploy("a/slow", responder(func([]byte) ([]byte, error) { close(began); <-release; return nil, nil }))
	h.deploy("a/asker", o.requester("a/slow", 0))
	h.do("a/asker")
	<-began // otherwise the request would be dropped before it is handled
	check(t, h.Undeploy(within(t), id("a/asker")))
	equal(t, "pending", h.Snapshot().Pending, 0)
	close(release)
	s := h.balance()
	equal(t, "orphans", s.Orphans, 1)
	equal(t, "late", s.Late, 1)
	equal(t, "callbacks", s.Callbacks, 0)
}

func TestDeadLetters(t *testing.T) {
	h := start(t, host.Config{DeadLetters: 2})
	h.deploy("a/broken", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
	for _, payload := range []string{"first", "second", strings.Repeat("3", 1000)} {
		check(t, h.Send(id("a/broken"), []byte(payload)))
		h.quiesce()
	}
	letters := h.DeadLetters()
	equal(t, "letters kept", len(letters), 2)
	equal(t, "the older one", string(letters[0].Payload), "second")
	equal(t, "size of the newer one", letters[1].Size, 1000)
	equal(t, "bytes kept of it", len(letters[1].Payload), 1000)
	equal(t, "its number", letters[1].Number, 3)
	equal(t, "sender", letters[0].Sender, core.HostID)
	equal(t, "target", letters[0].Target, id("a/broken"))
	contains(t, "reason", letters[0].Reason, "on purpose")
	equal(t, "counted", h.balance().DeadLetters, 3)
}

// TestDeadRequests: a request that ends its component's instance leaves a dead letter with
// its payload, whether a worker or the caller has run the component.
func TestDeadRequests(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/broken", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
	ctx, cancel := context.WithCancel(t.Context()) // it may end, so that a worker runs the component
	defer cancel()
	for i, ctx := range []context.Context{ctx, context.Background()} {
		_, err := h.Request(ctx, id("a/broken"), []byte("payload"))
		isError(t, "the request", err, core.ErrRequestTrapped)
		h.quiesce()
		letters := h.DeadLetters()
		equal(t, "letters", len(letters), i+1)
		equal(t, "whether it was a request", letters[i].Request, true)
		equal(t, "payload", string(letters[i].Payload), "payload")
	}
}

// TestStopWhileLoaded: a stopping host refuses new messages, handles the messages in
// the mailboxes, and gives every pending request its callback.
func TestStopWhileLoaded(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{DrainTimeout: 20 * time.Millisecond})
		o := newOutcomes()
		var stopped atomic.Int32
		asker := o.requester("a/slow", 0)
		asker.shutdown = func(guest.Host) { stopped.Add(1) }
		release := make(chan struct{})
		slow := deployment("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
		slow.Limits.HandlerTime = time.Minute // not reached, even on a busy machine
		check(t, h.Deploy(within(t), slow))
		h.deploy("a/asker", asker)
		h.deploy("a/idle", echo)
		for range 3 {
			h.do("a/asker")
		}
		waiting := make(chan error)
		go func() {
			_, err := h.Request(context.Background(), id("a/slow"), nil)
			waiting <- err
		}()
		h.waitFor("the request from Go", func() bool { s := h.Snapshot(); return s.Pending == 4 && s.Requests == 7 })
		stop := make(chan error)
		go func() { stop <- h.Stop(within(t)) }()
		h.waitFor("the stop", func() bool { return errors.Is(h.Send(id("a/nobody"), nil), core.ErrUnavailable) })
		isError(t, "message to a stopping host", h.Send(id("a/idle"), nil), core.ErrUnavailable)
		h.waitFor("the end of the drain", func() bool { return strings.Contains(h.log.String(), "drain limit reached") })
		close(release)
		if err := receive(t, "its end", waiting); err != nil { // without an error if a/slow handled it before the host claimed a/slow
			isError(t, "request that waits when the host stops", err, core.ErrRequestUnavailable)
		}
		err := receive(t, "end of stop", stop)
		if h.Snapshot().DeadLetters > 0 {
			contains(t, "stop", fmt.Sprint(err), fmt.Sprint("messages that were not handled: ", h.Snapshot().DeadLetters))
		} else {
			check(t, err)
		}
		for range 3 {
			outcome := receive(t, "callback", o.got)
			if outcome != "ok " && outcome != "unavailable: host stopping" {
				t.Errorf("outcome of a request when the host stops: %q", outcome)
			}
		}
		equal(t, "shutdown calls", stopped.Load(), 1)
		equal(t, "pending", h.Snapshot().Pending, 0)
		isError(t, "request to a stopped host", func() error { _, err := h.request("a/slow", ""); return err }(), core.ErrUnavailable)
		isError(t, "deployment on a stopped host", h.Deploy(within(t), deployment("a/new", echo)), host.ErrNotRunning)
		equal(t, "a second stop", h.Stop(within(t)), err)
	})
}

// TestStopLeavesBehind: Stop returns at the end of its context even if a call does
// not end, and names the component.
func TestStopLeavesBehind(t *testing.T) {
	release := make(chan struct{})
	p := parts{broker: newInproc, tracker: newSlab}
	h := p.start(t, host.Config{DrainTimeout: time.Millisecond})
	entered := make(chan struct{})
	h.deploy("a/stuck", responder(func([]byte) ([]byte, error) { close(entered); <-release; return nil, nil }))
	check(t, h.Send(id("a/stuck"), nil))
	receive(t, "entering", entered)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := h.Stop(ctx)
	isError(t, "stop", err, context.DeadlineExceeded)
	contains(t, "stop", fmt.Sprint(err), "a/stuck was left behind")
	close(release)
}

func TestNewErrors(t *testing.T) {
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	defer func() { check(t, tracker.Close()) }()
	for name, make := range map[string]func() (*host.Host, error){
		"no broker":        func() (*host.Host, error) { return host.New(host.Config{}, nil, tracker) },
		"no tracker":       func() (*host.Host, error) { return host.New(host.Config{}, broker, nil) },
		"nil engine":       func() (*host.Host, error) { return host.New(host.Config{}, broker, tracker, nil) },
		"negative workers": func() (*host.Host, error) { return host.New(host.Config{Workers: -1}, broker, tracker) },
		"timeout": func() (*host.Host, error) {
			return host.New(host.Config{RequestTimeout: 2 * core.MaxTimeout}, broker, tracker)
		},
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	h, err := host.New(host.Config{Logger: slog.New(slog.DiscardHandler)}, broker, tracker)
	check(t, err)
	isError(t, "deployment before Start", h.Deploy(within(t), deployment("a/echo", echo)), host.ErrNotRunning)
	check(t, h.Stop(within(t)))
}

// TestTenThousand deploys 10,000 components, sends each of them a message, and
// stops.
func TestTenThousand(t *testing.T) {
	h := start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})
	const components = 10_000
	var handled atomic.Int64
	component := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { handled.Add(1); return nil, nil }}
	for n := range components {
		h.deploy(fmt.Sprintf("many/%d", n), component)
	}
	for n := range components {
		check(t, h.Send(id(fmt.Sprintf("many/%d", n)), nil))
	}
	h.balance()
	equal(t, "handled", handled.Load(), components)
	check(t, h.Stop(within(t)))
	equal(t, "left", len(h.Components()), 0)
}

// TestIdleComponentMemory: an idle component takes at most 16 KiB of memory.
func TestIdleComponentMemory(t *testing.T) {
	h := start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})
	const components = 1000
	before := heap()
	for n := range components {
		h.deploy(fmt.Sprintf("idle/%d", n), echo)
	}
	each := (int64(heap()) - int64(before)) / components
	if each > 16<<10 {
		t.Errorf("an idle component costs %d bytes, want at most 16 KiB", each)
	}
	t.Logf("an idle native component costs %d bytes", each)
}

// TestRemovedComponentMemory: an idle host keeps no reference to a removed
// component, not even to the last one that a worker ran.
func TestRemovedComponentMemory(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 1})
		freed := make(chan struct{})
		func() {
			held := new([1 << 20]byte)
			runtime.AddCleanup(held, func(freed chan struct{}) { close(freed) }, freed)
			h.deploy("a/heavy", responder(func(m []byte) ([]byte, error) { held[0]++; return m, nil }))
		}()
		check(t, h.Send(id("a/heavy"), nil))
		_, err := h.Request(within(t), id("a/heavy"), nil)
		check(t, err)
		h.balance()
		check(t, h.Undeploy(within(t), id("a/heavy")))
		for deadline := within(t); ; {
			runtime.GC()
			select {
			case <-freed:
				return
			case <-deadline.Done():
				t.Fatal("the memory of the component is not free")
			case <-time.After(time.Millisecond):
			}
		}
	})
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestConcurrentDeployments deploys, messages and undeploys the same few ids on
// several goroutines.
func TestConcurrentDeployments(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Logger: slog.New(slog.DiscardHandler)})
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				name := fmt.Sprintf("churn/%d", g%3)
				for range 50 {
					_ = h.Deploy(within(t), deployment(name, echo))
					for range 5 {
						_ = h.Send(id(name), []byte("x"))
						_, _ = h.Request(within(t), id(name), []byte("y"))
					}
					_ = h.Undeploy(within(t), id(name))
				}
			})
		}
		wg.Wait()
		s := h.balance()
		equal(t, "pending", s.Pending, 0)
	})
}

// TestDeployIsCutOff: when the context of a deployment ends, the host interrupts the
// guest's initialization, and removes the component.
func TestDeployIsCutOff(t *testing.T) {
	h := start(t, host.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	guest := &toy{initialize: func(i *toyInstance) error {
		cancel()
		return i.hang()
	}}
	isError(t, "a deployment that is cut off", h.Deploy(ctx, toyDeployment("a/b", guest)), context.Canceled)
	equal(t, "instances", guest.live.Load(), 0)
	equal(t, "components", len(h.Components()), 0)
	check(t, h.Deploy(within(t), toyDeployment("a/b", &toy{})))
}
