package plugin

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	sdk "github.com/airhost/airhost/plugin"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// altered is a member of an exchange with another method Publish.
type altered struct {
	member
	publish func(m *member, batch []sdk.Message) []error
}

func (a *altered) Publish(_ context.Context, batch []sdk.Message) []error {
	return a.publish(&a.member, batch)
}

// startAltered returns a host with a broker that calls publish.
func startAltered(t *testing.T, publish func(m *member, batch []sdk.Message) []error) (*host.Host, *Broker) {
	t.Helper()
	register := func(s grpc.ServiceRegistrar) {
		sdk.RegisterBroker(s, &altered{member{exchange: newExchange()}, publish})
	}
	b, err := newBroker(Config{Logger: orDiscard(nil)}, extensiontest.InMemory(register))
	check(t, err)
	h := startHost(t, b, host.Config{RequestTimeout: 50 * time.Millisecond})
	deploy(t, h, "test/echo", echo)
	return h, b
}

func TestNothingIsDelivered(t *testing.T) {
	h, _ := startAltered(t, func(_ *member, batch []sdk.Message) []error { return nil })
	_, err := h.Request(context.Background(), echoID, nil)
	if !errors.Is(err, core.ErrTimeout) {
		t.Errorf("got %v, want a timeout", err)
	}
	check(t, h.Send(echoID, nil))
	check(t, h.Quiesce(within(t))) // the message counts as left
}

func TestRefusals(t *testing.T) {
	for _, want := range []*core.MessagingError{
		{Case: core.CaseTargetNotFound, Text: "x"}, {Case: core.CaseQueueFull, Text: "x"},
		{Case: core.CaseInvalidArgument, Text: "x"}, {Case: core.CaseUnavailable, Text: "x"},
	} {
		h, _ := startAltered(t, func(_ *member, batch []sdk.Message) []error {
			errs := make([]error, len(batch))
			for i := range errs {
				errs[i] = want
			}
			return errs
		})
		_, err := h.Request(within(t), echoID, nil)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), want.Error()) || strings.Count(err.Error(), want.Case.String()) != 1 {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

// TestAnswersTwice: outcomes that come twice, and outcomes of unknown requests, are
// dropped and counted.
func TestAnswersTwice(t *testing.T) {
	forged, err := seal(nil, &core.Message{Correlation: 12345}, pluginv1.EnvelopeKind_ENVELOPE_KIND_OUTCOME, "")
	check(t, err)
	h, _ := startAltered(t, func(m *member, batch []sdk.Message) []error {
		for _, message := range batch {
			_ = m.arrived(message.Body)
			if strings.HasPrefix(message.Topic, "host/") {
				_, _ = m.arrived(message.Body), m.arrived(forged)
			}
		}
		return nil
	})
	for range 10 {
		if _, err := h.Request(within(t), echoID, nil); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "20 late outcomes", func() bool { return h.Snapshot().Late == 20 })
}

// TestGarbageArrives: arrivals that are not messages are dropped and counted.
func TestGarbageArrives(t *testing.T) {
	garbage := [][]byte{nil, []byte("garbage"), {0xff, 0xff, 0xff}}
	for _, e := range []struct {
		message core.Message
		kind    pluginv1.EnvelopeKind
		origin  string
	}{
		{core.Message{Sender: echoID, Target: echoID}, 0, ""},
		{core.Message{Sender: echoID, Target: echoID}, 99, ""},
		{core.Message{Sender: echoID, Target: echoID}, pluginv1.EnvelopeKind_ENVELOPE_KIND_REQUEST, "x"},
		{core.Message{Sender: echoID, Target: echoID, Correlation: 1}, pluginv1.EnvelopeKind_ENVELOPE_KIND_REQUEST, ""},
		{core.Message{Sender: echoID, Target: echoID, Correlation: 1}, pluginv1.EnvelopeKind_ENVELOPE_KIND_MESSAGE, ""},
		{core.Message{Target: echoID}, pluginv1.EnvelopeKind_ENVELOPE_KIND_MESSAGE, ""},
		{core.Message{Sender: echoID}, pluginv1.EnvelopeKind_ENVELOPE_KIND_MESSAGE, ""},
		{core.Message{}, pluginv1.EnvelopeKind_ENVELOPE_KIND_OUTCOME, ""},
		{core.Message{Sender: echoID, Target: echoID, Failure: core.ErrTimeout}, pluginv1.EnvelopeKind_ENVELOPE_KIND_MESSAGE, ""},
	} {
		body, err := seal(nil, &e.message, e.kind, e.origin)
		check(t, err)
		garbage = append(garbage, body)
	}
	h, b := startAltered(t, func(m *member, batch []sdk.Message) []error {
		for _, body := range garbage {
			_ = m.arrived(body)
		}
		return m.Publish(context.Background(), batch)
	})
	check(t, h.Send(echoID, nil))
	waitFor(t, "the message behind the garbage", func() bool { return h.Snapshot().Handled == 1 })
	if got := b.Counters().Discarded; got != uint64(len(garbage)) {
		t.Errorf("%d were discarded, want %d", got, len(garbage))
	}
}

// TestLongReasons: long texts of the process are cut in errors and in the log.
func TestLongReasons(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	for name, say := range map[string]func(stream pluginv1.Broker_ConnectServer) error{
		"a status of 3 MB":  func(pluginv1.Broker_ConnectServer) error { return status.Error(codes.Internal, long) },
		"a status of 60 KB": func(pluginv1.Broker_ConnectServer) error { return status.Error(codes.Internal, long[:60<<10]) },
		"a refusal": func(stream pluginv1.Broker_ConnectServer) error {
			return stream.Send(&pluginv1.BrokerEvents{Receipts: []*pluginv1.Receipt{{Refused: &pluginv1.Refusal{Text: long}}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log lockedLog
			b := scripted(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(life int32, stream pluginv1.Broker_ConnectServer) error {
				_ = stream.Send(&pluginv1.BrokerEvents{})
				for life == 1 {
					orders, err := stream.Recv()
					if err != nil {
						return err
					}
					if orders.Orders[len(orders.Orders)-1].GetPublish() != nil {
						if err := say(stream); err != nil {
							return err
						}
					}
				}
				return follow(stream)
			})
			h := startHost(t, b, host.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if _, err := h.Request(within(t), echoID, nil); err == nil || len(err.Error()) > core.MaxErrorText+100 {
				t.Errorf("the requester is told %.100v", err)
			}
			for _, letter := range h.DeadLetters() {
				if len(letter.Reason) > core.MaxErrorText {
					t.Errorf("a dead letter's reason has %d bytes", len(letter.Reason))
				}
			}
			for line := range strings.Lines(log.String()) {
				if len(line) > core.MaxErrorText+1000 {
					t.Errorf("a line of the log has %d bytes", len(line))
				}
			}
		})
	}
}

// TestLongReasonOfAStart is TestLongReasons for a process that does not start.
func TestLongReasonOfAStart(t *testing.T) {
	for _, size := range []int{60 << 10, 3 << 20} {
		b := scripted(t, Config{}, func(int32, pluginv1.Broker_ConnectServer) error {
			return status.Error(codes.FailedPrecondition, strings.Repeat("x", size))
		})
		if err := b.Open(within(t), newOrigin()); err == nil || len(err.Error()) > core.MaxErrorText+100 {
			t.Errorf("Open returns an error of %d bytes", len(err.Error()))
		}
	}
}

// lockedLog is a log that can be read while it is written.
type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestForgottenRequests: a session removes requests that have timed out.
func TestForgottenRequests(t *testing.T) {
	s := newSession(new(Broker))
	for id := range core.RequestID(10 * minSweep) {
		s.expectLocked(id+1, 1)
	}
	s.expectLocked(1<<32, math.MaxInt64)
	if n := len(s.requests); n > minSweep || s.requests[1<<32] == 0 {
		t.Errorf("%d requests are remembered, want no more than %d, with the one that is pending", n, minSweep)
	}
}

// testOrigin counts outcomes and undelivered messages.
type testOrigin struct{ outcomes, undelivered atomic.Int32 }

func newOrigin() *testOrigin { return new(testOrigin) }

func (o *testOrigin) Respond(m *core.Message)              { o.outcomes.Add(1) }
func (o *testOrigin) Undelivered(m *core.Message, _ error) { o.undelivered.Add(1) }

// TestFailedForGood: the host stays up after its broker has failed for good, and
// refuses messages.
func TestFailedForGood(t *testing.T) {
	var v victim
	b, err := newBroker(Config{Restart: core.Restart{Policy: core.RestartTemporary}, Logger: orDiscard(nil)}, v.start(roles.Command(t, "exchange")))
	check(t, err)
	h := startHost(t, b, host.Config{})
	deploy(t, h, "test/echo", echo)
	v.kill()
	waitFor(t, "unavailable", func() bool { return errors.Is(h.Send(echoID, nil), core.ErrUnavailable) })
	check(t, h.Undeploy(within(t), echoID))
	deploy(t, h, "test/echo", echo)
	if _, err := h.Request(within(t), echoID, nil); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]Config{
		"no path": {}, "window": {Path: "./x", Window: -1},
		"policy": {Path: "./x", Restart: core.Restart{Policy: "sometimes"}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	b := child(t, "exchange", Config{})
	if err := b.Attach(echoID, nil); err == nil {
		t.Error("Attach without a receiver: got no error")
	}
	if err := b.Attach(echoID, &testReceiver{}); err == nil {
		t.Error("Attach before Open: got no error")
	}
	if _, err := b.Route(echoID); err == nil {
		t.Error("Route before Open: got no error")
	}
	if err := b.Open(within(t), nil); err == nil {
		t.Error("Open without an origin: got no error")
	}
	check(t, b.Close(within(t)))
	if err := b.Open(within(t), newOrigin()); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Open after Close: got %v, want closed", err)
	}
}

type testReceiver struct{}

func (*testReceiver) Deliver(*core.Message) error { return nil }

func TestNoSuchExecutable(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("without an executable: got no error")
	}
	b, err := New(Config{Path: "/nobody/has/this", Logger: orDiscard(nil)})
	check(t, err)
	if err := b.Open(within(t), newOrigin()); err == nil || !strings.Contains(err.Error(), "/nobody/has/this") {
		t.Errorf("got %v, want the path", err)
	}
	if err := b.Attach(echoID, &testReceiver{}); !errors.Is(err, core.ErrClosed) {
		t.Errorf("Attach after a failed Open: got %v, want closed", err)
	}
}
