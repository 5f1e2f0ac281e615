package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/airhost/airhost/trackers/slab"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// startHost returns a running host over a broker, that stops with the test.
func startHost(t testing.TB, b core.Broker, config host.Config) *host.Host {
	t.Helper()
	tracker, err := slab.New(slab.Config{})
	check(t, err)
	engine, err := native.New(native.Config{})
	check(t, err)
	config.Logger = orDiscard(config.Logger)
	h, err := host.New(config, b, tracker, engine)
	check(t, err)
	check(t, h.Start(within(t)))
	t.Cleanup(func() { check(t, h.Stop(within(t))) })
	return h
}

// behaviour is a component made of functions.
type behaviour struct {
	message  func(h guest.Host, message []byte) ([]byte, error)
	callback func(id guest.RequestID, response []byte, err error)
}

func (b behaviour) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	return b.message(h, message)
}

func (b behaviour) HandleCallback(_ guest.Host, id guest.RequestID, response []byte, err error) error {
	b.callback(id, response, err)
	return nil
}

func deploy(t testing.TB, h *host.Host, id string, b behaviour) {
	t.Helper()
	all, err := core.ParseIDPattern("*")
	check(t, err)
	check(t, h.Deploy(within(t), host.Deployment{
		ID: core.MustComponentID(id), Engine: native.Name,
		Source:       core.Source{Value: func() guest.Component { return b }},
		Capabilities: host.Capabilities{Send: []core.IDPattern{all}, Request: []core.IDPattern{all}},
		Quota:        host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1e6},
	}))
}

var echo = behaviour{message: func(_ guest.Host, message []byte) ([]byte, error) { return message, nil }}

var (
	echoID  = core.MustComponentID("test/echo")
	askerID = core.MustComponentID("test/asker")
)

// TestTwoHosts: a request of one host is answered by a component of another, by
// a Go program's call and by a guest's.
func TestTwoHosts(t *testing.T) {
	x := newExchange()
	a, b := startHost(t, x.member(t, Config{}), host.Config{}), startHost(t, x.member(t, Config{}), host.Config{})
	deploy(t, b, "test/echo", echo)
	response, err := a.Request(within(t), echoID, []byte("hello"))
	if err != nil || string(response) != "hello" {
		t.Fatalf("got %q, %v, want hello", response, err)
	}
	got := make(chan string, 1)
	deploy(t, a, "test/asker", behaviour{
		message: func(h guest.Host, message []byte) ([]byte, error) {
			_, err := h.Request("test/echo", message, 0)
			return nil, err
		},
		callback: func(_ guest.RequestID, response []byte, err error) { got <- fmt.Sprintf("%s %v", response, err) },
	})
	check(t, a.Send(core.MustComponentID("test/asker"), []byte("again")))
	if answer := <-got; answer != "again <nil>" {
		t.Errorf("the callback got %q", answer)
	}
	check(t, a.Quiesce(within(t)))
	check(t, b.Quiesce(within(t)))
	if s := b.Snapshot(); s.Arrived != 2 || s.Handled != 2 || s.Left != 0 {
		t.Errorf("of two messages %d arrived, %d were handled and %d left", s.Arrived, s.Handled, s.Left)
	}
}

// victim is a process that a test can kill.
type victim struct{ now atomic.Pointer[spawn.Process] }

func (v *victim) start(command spawn.Command) func(context.Context) (extension.Process, error) {
	command.Kind = kind
	return func(ctx context.Context) (extension.Process, error) {
		p, err := spawn.Start(ctx, command)
		if err != nil {
			return nil, err
		}
		v.now.Store(p)
		return p, nil
	}
}

// kill kills the process, and returns when that is gone.
func (v *victim) kill() {
	p := v.now.Load()
	p.Kill()
	<-p.Done()
}

// TestKilledUnderLoad kills the broker again and again: each request ends once,
// nothing is handled twice, and in the end all works again.
func TestKilledUnderLoad(t *testing.T) {
	const kills, senders = 10, 3
	var v victim
	b, err := newBroker(Config{
		Restart: core.Restart{MaxRestarts: -1, Backoff: time.Millisecond, MaxBackoff: time.Millisecond},
		Logger:  slog.New(slog.DiscardHandler),
	}, v.start(roles.Command(t, "exchange")))
	check(t, err)
	h := startHost(t, b, host.Config{})
	l := newLedger()
	deploy(t, h, "test/echo", behaviour{message: func(_ guest.Host, message []byte) ([]byte, error) {
		l.handled(string(message))
		return message, nil
	}})
	l.deployAsker(t, h)

	var stop atomic.Bool
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if !l.send(t, h, fmt.Sprintf("%d-%d", s, i)) {
					<-time.After(time.Millisecond) // it is down: leave the processor to its start
				}
			}
		})
	}
	for range kills {
		before := l.answers.Load()
		waitFor(t, "answers between two deaths", func() bool { return l.answers.Load() > before })
		v.kill()
	}
	stop.Store(true)
	sending.Wait()
	waitFor(t, "a request that is answered after the last death", func() bool {
		_, err := h.Request(within(t), echoID, []byte("last"+time.Now().String()))
		return err == nil
	})
	check(t, h.Quiesce(within(t)))
	l.balance(t)
	if s := h.Snapshot(); s.Pending != 0 {
		t.Errorf("%d requests are still pending", s.Pending)
	}
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not for %v: %s", patience, what)
		}
	}
}

// ledger counts what became of messages and requests.
type ledger struct {
	answers atomic.Int64

	mu      sync.Mutex // guards both
	times   map[string]int
	pending map[guest.RequestID]int // 1 for a request, less for each of its callbacks
}

func newLedger() *ledger {
	return &ledger{times: make(map[string]int), pending: make(map[guest.RequestID]int)}
}

func (l *ledger) handled(message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times[message]++
}

func (l *ledger) count(id guest.RequestID, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[id] += n
}

// deployAsker deploys a component that asks the echo what it is sent.
func (l *ledger) deployAsker(t testing.TB, h *host.Host) {
	deploy(t, h, "test/asker", behaviour{
		message: func(h guest.Host, message []byte) ([]byte, error) {
			if id, err := h.Request("test/echo", append([]byte("asked-"), message...), time.Minute); err == nil {
				l.count(id, 1)
			}
			return nil, nil
		},
		callback: func(id guest.RequestID, _ []byte, _ error) { l.count(id, -1) },
	})
}

// send sends a message of each kind, and reports whether one was answered.
func (l *ledger) send(t testing.TB, h *host.Host, name string) bool {
	for target, message := range map[string]string{"test/echo": "sent-" + name, "test/asker": name} {
		if err := h.Send(core.MustComponentID(target), []byte(message)); err != nil && !allowed(err) {
			t.Errorf("message to %s: %v", target, err)
		}
	}
	response, err := h.Request(context.Background(), echoID, []byte("called-"+name))
	switch {
	case err == nil && string(response) == "called-"+name:
		l.answers.Add(1)
	case err == nil || !allowed(err):
		t.Errorf("request: got %q, %v", response, err)
	}
	return err == nil
}

// allowed are the errors that a dying broker may cause: but for no timeout.
func allowed(err error) bool {
	return errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrQueueFull) || errors.Is(err, core.ErrRequestUnavailable)
}

func (l *ledger) balance(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for message, times := range l.times {
		if times != 1 {
			t.Errorf("message %s was handled %d times", message, times)
		}
	}
	for id, left := range l.pending {
		if left != 0 {
			t.Errorf("request %d got %d callbacks, want one", id, 1-left)
		}
	}
	if len(l.times) == 0 || len(l.pending) == 0 {
		t.Errorf("%d messages handled, %d requests of a guest's: the test has tested nothing", len(l.times), len(l.pending))
	}
}
