package process_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

func init() {
	roles["talker"] = func() { plugin.Serve(new(talker)) }
	roles["pump"] = func() { plugin.Serve(pump{}) }
	roles["locked"] = func() { plugin.Serve(new(locked)) }
}

// talker has goroutines that send messages and requests without end. It records each message
// that the host has taken, and each wrong response.
type talker struct{ plugin.Requests }

const talking = 4 // goroutines that send messages, and as many that send requests

func (a *talker) Initialize(h guest.Host, _ guest.Config) error {
	record, err := os.OpenFile(os.Getenv(recordVariable), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	for g := range talking {
		name := fmt.Sprintf("%d.%d", os.Getpid(), g)
		go retry(func(n int) error {
			line := fmt.Sprint(name, " ", n)
			err := h.Send("test/sink", []byte(line))
			if err == nil {
				fmt.Fprintln(record, line)
			}
			return err
		})
		go retry(func(n int) error {
			question := fmt.Sprint(name, " ", n)
			response, err := a.Do(context.Background(), h, "test/echo", []byte(question), time.Minute)
			if err == nil && string(response) != question {
				fmt.Fprintf(record, "wrong: %q to %q\n", response, question)
			}
			return err
		})
	}
	return nil
}

// retry calls send with 1, 2 and so on, and with the same number again if the host has no
// room, until the host is gone.
func retry(send func(n int) error) {
	for n := 1; ; n++ {
		err := send(n)
		for errors.Is(err, guest.ErrQueueFull) || errors.Is(err, guest.ErrQuotaExceeded) {
			err = send(n)
		}
		if err != nil {
			return
		}
	}
}

func (a *talker) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	if string(message) == "exit" {
		os.Exit(9)
	}
	return message, nil
}

// sink is a component that keeps the numbers that it has got, by goroutine.
type sink struct {
	mu    sync.Mutex
	last  map[string]int
	wrong []string
	total int
}

func (s *sink) HandleMessage(_ guest.Host, sender string, message []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var name string
	var n int
	if _, err := fmt.Sscan(string(message), &name, &n); err != nil || sender != "test/talker" || n != s.last[name]+1 {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: %s after %d, %v", sender, message, s.last[name], err))
	}
	s.last[name] = n
	s.total++
	return nil, nil
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

var talkerID = core.MustComponentID("test/talker")

// TestSendsAtAnyTime: several goroutines of a process send messages and requests while it also
// handles messages, is restarted, replaced, or ends. All messages that the host has taken
// arrive, once, and in the order of each goroutine, and each request has its own outcome.
func TestSendsAtAnyTime(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	r := newHarness(t, slog.New(slog.DiscardHandler))
	s := &sink{last: make(map[string]int)}
	r.deployOn(t, native.Name, core.MustComponentID("test/sink"), host.Deployment{Source: native.Source(func() guest.Component { return s })})
	r.deployOn(t, native.Name, core.MustComponentID("test/echo"), host.Deployment{Source: native.Source(func() guest.Component { return new(victim) })})
	d := recorderCommand("talker", record)
	d.ID, d.Engine, d.Limits = talkerID, process.Name, core.Limits{HandlerTime: time.Minute, StartTime: time.Minute}
	d.Capabilities = all(t)
	d.Capabilities.Send = d.Capabilities.Request
	d.Quota = host.Quota{MessagesPerSecond: 1e6, Burst: 1e6}
	if err := r.Deploy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for round := range 6 {
		before := s.count()
		waitUntil(t, func() bool { return s.count() > before+1000 })
		got, err := r.Request(t.Context(), talkerID, []byte("hello"))
		if err != nil || string(got) != "hello" {
			t.Errorf("it answers %q, %v", got, err)
		}
		switch round % 3 {
		case 0:
			err = r.Restart(t.Context(), talkerID)
		case 1:
			err = r.Replace(t.Context(), d)
		case 2:
			if _, err = r.Request(t.Context(), talkerID, []byte("exit")); errors.Is(err, core.ErrRequestTrapped) {
				err = nil
			}
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if err := errors.Join(r.Undeploy(t.Context(), talkerID), r.Quiesce(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range s.wrong {
		t.Error("order: " + wrong)
	}
	s.checkTaken(t, record)
}

// checkTaken checks that all messages that the host has taken have come. At the end of a process
// a message may have come that the process does not know to be taken.
func (s *sink) checkTaken(t *testing.T, record string) {
	t.Helper()
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	taken := make(map[string]int)
	for line := range strings.Lines(string(data)) {
		var name string
		var n int
		if _, err := fmt.Sscan(line, &name, &n); err != nil {
			t.Errorf("record: %s", line)
			continue
		}
		taken[name] = n
	}
	if len(taken) < 6*talking {
		t.Errorf("%d goroutines have sent, want %d", len(taken), 6*talking)
	}
	for name, n := range taken {
		if got := s.last[name]; got != n && got != n+1 {
			t.Errorf("%s: the host has taken %d messages, %d have come", name, n, got)
		}
	}
}

// locked is a component whose methods wait for a lock that another goroutine holds while it
// sends.
type locked struct{ mu sync.Mutex }

func (l *locked) HandleMessage(h guest.Host, _ string, _ []byte) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	go func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for range 3 {
			if err := h.Send("test/sink", nil); err != nil {
				panic(err)
			}
		}
	}()
	return nil, nil
}

// deaf ignores all messages.
type deaf struct{}

func (deaf) HandleMessage(guest.Host, string, []byte) ([]byte, error) { return nil, nil }

// TestCallWaitsForASender: a call may wait for a goroutine that sends between calls.
func TestCallWaitsForASender(t *testing.T) {
	r := newHarness(t, slog.New(slog.DiscardHandler))
	r.deployOn(t, native.Name, core.MustComponentID("test/sink"), host.Deployment{Source: native.Source(func() guest.Component { return deaf{} })})
	d := host.Deployment{Source: source("locked"), Capabilities: all(t), Limits: core.Limits{HandlerTime: 10 * time.Second, StartTime: time.Minute}}
	d.Capabilities.Send = d.Capabilities.Request
	r.deploy(t, talkerID, d)
	for range 300 {
		if _, err := r.Request(t.Context(), talkerID, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Quiesce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pump sends as many messages as a message asks for, from as many goroutines, once its method
// has returned.
type pump struct{}

func (pump) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	var messages, goroutines int
	if _, err := fmt.Sscan(string(message), &messages, &goroutines); err != nil {
		return nil, err
	}
	var left atomic.Int64
	left.Store(int64(messages))
	for range goroutines {
		go func() {
			for left.Add(-1) >= 0 {
				for h.Send("test/sink", message) != nil {
				}
			}
		}()
	}
	return nil, nil
}

// BenchmarkSendBetweenCalls measures messages that a process sends while the host calls nothing
// of it.
func BenchmarkSendBetweenCalls(b *testing.B) {
	for _, goroutines := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			r := newHarness(b, slog.New(slog.DiscardHandler))
			came := make(chan struct{}, 1<<10)
			r.deployOn(b, native.Name, core.MustComponentID("test/sink"), host.Deployment{Source: native.Source(func() guest.Component { return counts(came) })})
			everyone, _ := core.ParseIDPattern("*")
			r.deploy(b, talkerID, host.Deployment{
				Source: source("pump"), Capabilities: host.Capabilities{Send: []core.IDPattern{everyone}},
				Quota: host.Quota{MessagesPerSecond: 1e9, Burst: 1e9},
			})
			b.ResetTimer()
			if _, err := r.Request(b.Context(), talkerID, fmt.Appendf(nil, "%d %d", b.N, goroutines)); err != nil {
				b.Fatal(err)
			}
			for range b.N {
				<-came
			}
		})
	}
}

// counts is a component that says of each message that it has come.
type counts chan struct{}

func (c counts) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	c <- struct{}{}
	return nil, nil
}
