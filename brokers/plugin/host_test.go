package plugin

import (
	"context"
	"errors"
	"fmt"
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

// patience is the time after which a test stops waiting and fails.
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

// startHost returns a running host with a broker. The host stops at the end of the
// test.
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

// TestTwoHosts: a component of one host answers requests of a Go program and of a guest
// on another host.
func TestTwoHosts(t *testing.T) {
	x := newExchange()
	a, b := startHost(t, x.member(t, Config{}), host.Config{}), startHost(t, x.member(t, Config{}), host.Config{})
	deploy(t, b, "test/echo", echo)
	waitFor(t, "the exchange hears of the echo", func() bool { return x.has(componentTopic(echoID)) })
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

// TestPublish: what a component publishes goes by the broker to each subscriber, in order, as its
// messages do.
func TestPublish(t *testing.T) {
	h := startHost(t, newExchange().member(t, Config{}), host.Config{})
	topic := core.MustTopicPattern("numbers.*")
	got := make([][]string, 2)
	for i := range got {
		note := behaviour{message: func(_ guest.Host, message []byte) ([]byte, error) {
			got[i] = append(got[i], string(message))
			return nil, nil
		}}
		check(t, h.Deploy(within(t), host.Deployment{
			ID: core.MustComponentID(fmt.Sprintf("test/%d", i)), Engine: native.Name, Subscribe: []host.Subscription{{Topic: topic}},
			Source: core.Source{Value: func() guest.Component { return note }},
		}))
	}
	all, err := core.ParseIDPattern("*")
	check(t, err)
	publisher := behaviour{message: func(h guest.Host, _ []byte) ([]byte, error) {
		var errs []error
		for n := range 50 {
			errs = append(errs, h.Publish("numbers.even", fmt.Append(nil, 2*n)))
			errs = append(errs, h.Send("test/0", fmt.Append(nil, 2*n+1)), h.Send("test/1", fmt.Append(nil, 2*n+1)))
		}
		return nil, errors.Join(errs...)
	}}
	check(t, h.Deploy(within(t), host.Deployment{
		ID: core.MustComponentID("test/publisher"), Engine: native.Name, Source: core.Source{Value: func() guest.Component { return publisher }},
		Capabilities: host.Capabilities{Send: []core.IDPattern{all}, Publish: []core.TopicPattern{topic}},
	}))
	_, err = h.Request(within(t), core.MustComponentID("test/publisher"), nil)
	check(t, err)
	check(t, h.Quiesce(within(t)))
	for i := range got {
		for n, text := range got[i] {
			if text != fmt.Sprint(n) {
				t.Fatalf("subscriber %d got %q", i, got[i])
			}
		}
		if len(got[i]) != 100 {
			t.Errorf("subscriber %d got %d messages, want 100", i, len(got[i]))
		}
	}
	if s := h.Snapshot(); s.Published != 50 || s.DeadLetters != 0 || s.Left != s.Arrived {
		t.Errorf("got %+v", s)
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

// kill kills the process, and returns when it has ended.
func (v *victim) kill() {
	p := v.now.Load()
	p.Kill()
	<-p.Done()
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not for %v: %s", patience, what)
		}
	}
}
