package process_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/plugin"
	"github.com/airhost/airhost/trackers/slab"
)

func init() {
	roles["victim"] = func() { plugin.Serve(new(victim)) }
	roles["flood"] = func() { plugin.Serve(flood{}) }
}

// victim does what the first byte of a message selects.
type victim struct{ count int }

func (v *victim) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	v.count++
	switch message[0] {
	case 'p':
		return fmt.Append(nil, os.Getpid()), nil
	case 'n':
		return fmt.Append(nil, v.count), nil
	case 'x':
		os.Exit(9)
	case 'o':
		select {}
	}
	return message, nil
}

// flood prints without end and answers messages.
type flood struct{}

func (flood) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	for _, file := range []*os.File{os.Stdout, os.Stderr, os.NewFile(1, "stdout"), os.NewFile(2, "stderr")} {
		go func() {
			for line := strings.Repeat("x", 200) + "\n"; ; {
				fmt.Fprint(file, strings.Repeat(line, 100))
			}
		}()
	}
	return message, nil
}

// harness is a host with the engines process and native.
type harness struct{ *host.Host }

func newHarness(t testing.TB, log *slog.Logger) harness {
	t.Helper()
	engine, err := process.New(process.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	inHost, _ := native.New(native.Config{})
	h, err := host.New(host.Config{Logger: log, RequestTimeout: time.Minute}, broker, tracker, engine, inHost)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Stop(context.Background()), engine.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return harness{h}
}

var quickly = host.Restart{MaxRestarts: -1, Within: time.Nanosecond, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}

func (r harness) deploy(t testing.TB, id core.ComponentID, d host.Deployment) {
	t.Helper()
	r.deployOn(t, process.Name, id, d)
}

func (r harness) deployOn(t testing.TB, engine string, id core.ComponentID, d host.Deployment) {
	t.Helper()
	d.ID, d.Engine = id, engine
	if d.Limits.HandlerTime == 0 {
		d.Limits.HandlerTime, d.Limits.StartTime = time.Minute, time.Minute
	}
	if err := r.Deploy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

var victimID = core.MustComponentID("test/victim")

func (r harness) ask(t testing.TB, message string) string {
	t.Helper()
	response, err := r.Request(t.Context(), victimID, []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	return string(response)
}

func TestDiesInACall(t *testing.T) {
	r := newHarness(t, slog.New(slog.DiscardHandler))
	r.deploy(t, victimID, host.Deployment{Source: source("victim"), Restart: quickly})
	_, err := r.Request(t.Context(), victimID, []byte("x"))
	if !errors.Is(err, core.ErrRequestTrapped) || !strings.Contains(err.Error(), "exit status 9") {
		t.Errorf("a process that exits: %v", err)
	}
	if got := r.ask(t, "n"); got != "1" {
		t.Errorf("the next process has had %s messages", got)
	}
}

func TestHangsInAHandler(t *testing.T) {
	r := newHarness(t, slog.New(slog.DiscardHandler))
	r.deploy(t, victimID, host.Deployment{
		Source: source("victim"), Restart: quickly, Limits: core.Limits{HandlerTime: time.Second, StartTime: time.Minute},
	})
	_, err := r.Request(t.Context(), victimID, []byte("o"))
	if !errors.Is(err, core.ErrRequestTrapped) || !strings.Contains(err.Error(), "handler-time") {
		t.Errorf("a process that hangs: %v", err)
	}
	if got := r.ask(t, "hello"); got != "hello" {
		t.Errorf("the next process answers %q", got)
	}
}

// TestDiesBetweenCalls: the host notices the end of an idle process without a
// message.
func TestDiesBetweenCalls(t *testing.T) {
	r := newHarness(t, slog.New(slog.DiscardHandler))
	events, cancel := r.Subscribe(16)
	defer cancel()
	r.deploy(t, victimID, host.Deployment{Source: source("victim"), Restart: quickly})
	killProcess(t, r.ask(t, "p"))
	for e := range events {
		if e.Kind == host.EventRestarted {
			break
		}
	}
	if got := r.ask(t, "n"); got != "1" {
		t.Errorf("the next process has had %s messages", got)
	}
}

func killProcess(t testing.TB, pid string) {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(pid, &n); err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Kill(), p.Release()); err != nil {
		t.Fatal(err)
	}
}

// TestBatchWithCrash: if the process ends in a batch, all its requests end.
func TestBatchWithCrash(t *testing.T) {
	in, _ := start(t, command("victim"), core.Limits{})
	var batch []core.Delivery
	for _, text := range []string{"a", "b", "x", "c"} {
		m := core.NewMessage([]byte(text))
		m.Sender, m.Correlation = victimID, 1
		batch = append(batch, core.Delivery{Message: m})
	}
	done := 0
	err := in.(core.Batcher).HandleBatch(batch, func(i int, response []byte, err error) {
		if i != done || string(response) != string(batch[i].Message.Payload) || err != nil {
			t.Errorf("done(%d, %q, %v) as call %d", i, response, err, done)
		}
		done++
	})
	var trap *core.TrapError
	if !errors.As(err, &trap) || done > 2 {
		t.Errorf("HandleBatch = %v after %d messages", err, done)
	}
}

func TestFloods(t *testing.T) {
	var log hosttest.Log
	r := newHarness(t, slog.New(slog.NewTextHandler(&log, nil)))
	r.deploy(t, victimID, host.Deployment{Source: source("flood"), Restart: quickly})
	for range 100 {
		r.ask(t, "still there?")
	}
	if err := r.Undeploy(t.Context(), victimID); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "xxx") {
		t.Error("nothing of what it printed was logged")
	}
}

func TestTwoHosts(t *testing.T) {
	first, second := newHarness(t, slog.New(slog.DiscardHandler)), newHarness(t, slog.New(slog.DiscardHandler))
	for _, r := range []harness{first, second} {
		r.deploy(t, victimID, host.Deployment{Source: source("victim"), Restart: quickly})
	}
	first.ask(t, "n")
	if a, b := first.ask(t, "n"), second.ask(t, "n"); a != "2" || b != "1" {
		t.Errorf("the processes have had %s and %s messages, want 2 and 1", a, b)
	}
	if first.ask(t, "p") == second.ask(t, "p") {
		t.Error("both hosts have the same process")
	}
}
