package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// pipe is the stream of a session; the test is the host.
type pipe struct {
	grpc.ServerStream
	t    *testing.T
	to   chan []byte
	from chan []byte
}

func (p pipe) RecvMsg(m any) error {
	data, ok := <-p.to
	if !ok {
		return io.EOF
	}
	m.(*frame.Frame).Bytes = data
	return nil
}

func (p pipe) SendMsg(m any) error {
	p.from <- append([]byte(nil), m.(*frame.Frame).Bytes...)
	return nil
}

func (p pipe) Context() context.Context { return p.t.Context() }

// wanderer is a component of which tests use the host at any time.
type wanderer struct {
	host    guest.Host
	message func(message string)
	Requests
}

func (w *wanderer) Initialize(h guest.Host, _ guest.Config) error {
	w.host = h
	return nil
}

func (w *wanderer) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	if w.message != nil {
		w.message(string(message))
	}
	return nil, nil
}

func (w *wanderer) Shutdown(guest.Host) {
	if w.message != nil {
		w.message("shutdown")
	}
}

// liveSession runs a session of w with a host that gives turns, in a bubble.
type liveSession struct {
	pipe
	*wanderer
	server *componentServer
	last   uint64 // call
}

func live(t *testing.T, start *pluginv1.Start, test func(s *liveSession)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := new(wanderer)
		s := &liveSession{
			pipe: pipe{t: t, to: make(chan []byte), from: make(chan []byte, 100)}, wanderer: w,
			server: &componentServer{component: w, wants: make(chan struct{}, 1)},
		}
		ended := make(chan error, 1)
		go func() { ended <- newSession(s.server, s.pipe).run() }()
		s.call(&pluginv1.Call{Call: &pluginv1.Call_Start{Start: start}})
		s.receive("result")
		s.call(&pluginv1.Call{Call: &pluginv1.Call_Initialize{Initialize: &pluginv1.Initialize{}}})
		s.receive("result")
		test(s)
		close(s.to)
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Errorf("the session ended with %v", err)
		}
	})
}

var withTurns = &pluginv1.Start{ComponentId: "a/b", MessageSize: 1000, Timers: true, Functions: true, Turns: true}

func (s *liveSession) call(c *pluginv1.Call) {
	s.last++
	c.Id = s.last
	s.to <- frame.AppendCall(nil, c)
}

func (s *liveSession) send(message string) {
	s.last++
	s.to <- frame.AppendMessage(nil, s.last, "x/y", []byte(message), true)
}

func (s *liveSession) turn(most uint32) {
	s.call(&pluginv1.Call{Call: &pluginv1.Call_Turn{Turn: &pluginv1.Turn{Most: most}}})
}

func (s *liveSession) answer(a *pluginv1.Answer) { s.to <- frame.AppendAnswer(nil, a) }

func (s *liveSession) answers(all ...*pluginv1.Answer) {
	var data []byte
	for _, a := range all {
		data = frame.AppendAnswerOfTurn(data, a)
	}
	s.to <- data
}

// receive checks the events of the next frame.
func (s *liveSession) receive(want ...string) {
	s.t.Helper()
	data := <-s.from
	var m pluginv1.FromComponent
	if err := proto.Unmarshal(data, &m); err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, e := range m.Events {
		if e.CallId != s.last {
			s.t.Errorf("an event of call %d in call %d", e.CallId, s.last)
		}
		got = append(got, described(e))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("got the events %q, want %q", got, want)
	}
}

func described(e *pluginv1.Event) string {
	switch e := e.Event.(type) {
	case *pluginv1.Event_Result:
		return "result"
	case *pluginv1.Event_Send:
		return "send " + string(e.Send.Message[:min(len(e.Send.Message), 10)])
	case *pluginv1.Event_SendRequest:
		return "request " + string(e.SendRequest.Request)
	case *pluginv1.Event_Cancel:
		return fmt.Sprint("cancel ", e.Cancel.RequestId)
	case *pluginv1.Event_Log:
		return "log " + e.Log.Text
	}
	return fmt.Sprintf("%T", e.Event)
}

// wanted reports whether the component has asked for a turn.
func (s *liveSession) wanted() bool {
	synctest.Wait()
	select {
	case <-s.server.wants:
		return true
	default:
		return false
	}
}

// later makes f's result known, on a goroutine of its own that waits by then.
func later(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	synctest.Wait()
	return done
}

func (s *liveSession) sendLater(message string) <-chan error {
	return later(func() error { return s.host.Send("a/c", []byte(message)) })
}

func (s *liveSession) ends(name string, done <-chan error, want error) {
	s.t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			s.t.Errorf("%s: got %v, want %v", name, err, want)
		}
	default:
		s.t.Errorf("%s has not ended", name)
	}
}

func (s *liveSession) waits(name string, done <-chan error) {
	s.t.Helper()
	synctest.Wait()
	if len(done) > 0 {
		s.t.Errorf("%s has ended: %v", name, <-done)
	}
}

// TestTurn: messages that are sent between calls go in one turn, in order; the answers come back
// to each sender.
func TestTurn(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		first := s.sendLater("first")
		second := s.sendLater("second")
		s.host.Log(guest.LogInfo, "a line")
		if !s.wanted() || s.wanted() {
			t.Error("want one wish for a turn")
		}
		s.waits("the first", first)
		s.turn(64)
		s.receive("send first", "send second", "log a line", "result")
		s.waits("the first", first)
		s.answers(&pluginv1.Answer{}, &pluginv1.Answer{Error: &pluginv1.MessagingError{Case: pluginv1.MessagingError_CASE_QUEUE_FULL}})
		s.ends("the first", first, nil)
		s.ends("the second", second, guest.ErrQueueFull)
		if s.wanted() {
			t.Error("it wants another turn for nothing")
		}
		s.turn(64)
		s.receive("result") // nothing is left, and nothing is answered
		s.send("again")
		s.receive("result")
	})
}

// TestTurnIsBounded: a turn has as many events as the host takes, and as many bytes. The rest is
// for the next turn.
func TestTurnIsBounded(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		var all []<-chan error
		for i := range 3 {
			all = append(all, s.sendLater(fmt.Sprint(i)))
		}
		s.wanted()
		s.turn(2)
		s.receive("send 0", "send 1", "result")
		s.answers(&pluginv1.Answer{}, &pluginv1.Answer{})
		if !s.wanted() {
			t.Error("no wish for a second turn")
		}
		s.waits("the third", all[2])
		s.turn(2)
		s.receive("send 2", "result")
		s.answers(&pluginv1.Answer{})
		for i, done := range all {
			s.ends(fmt.Sprint(i), done, nil)
		}
		all = nil
		for range 70 {
			all = append(all, s.sendLater(strings.Repeat("x", 5000))) // is cut to 1,001
		}
		s.wanted()
		s.turn(100)
		data := <-s.from
		if len(data) > 1000+turnSlack+100 || len(data) < turnSlack-1100 {
			t.Errorf("a frame of %d bytes", len(data))
		}
		var m pluginv1.FromComponent
		if err := proto.Unmarshal(data, &m); err != nil || len(m.Events) >= 70 {
			t.Fatalf("%d events, %v", len(m.Events), err)
		}
		s.answers(make([]*pluginv1.Answer, len(m.Events)-1)...)
		for _, done := range all[:len(m.Events)-1] {
			s.ends("a large one", done, nil)
		}
		if !s.wanted() {
			t.Error("no wish for the rest")
		}
		s.waits("the last", all[69])
	})
}

// TestAskInACall: any goroutine asks in the call in progress, one after the other, and the call
// does not end between a question and its answer.
func TestAskInACall(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		release := make(chan struct{})
		s.message = func(string) { <-release }
		s.send("go")
		synctest.Wait()
		first, second := s.sendLater("first"), s.sendLater("second")
		s.receive("send first")
		close(release) // the method returns
		synctest.Wait()
		if len(s.from) > 0 {
			t.Fatal("something was sent before the answer")
		}
		s.answer(&pluginv1.Answer{})
		s.receive("result")
		s.ends("the first", first, nil)
		s.waits("the second", second)
		if !s.wanted() {
			t.Error("the second does not want a turn")
		}
		s.turn(64)
		s.receive("send second", "result")
		s.answers(&pluginv1.Answer{})
		s.ends("the second", second, nil)
	})
}

// TestLineInACall: those that wait ask one after the other while the method goes on.
func TestLineInACall(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		release := make(chan struct{})
		s.message = func(string) { <-release }
		s.send("go")
		synctest.Wait()
		for i := range 3 {
			s.sendLater(fmt.Sprint(i))
		}
		for i := range 3 {
			s.receive(fmt.Sprint("send ", i))
			s.answer(&pluginv1.Answer{})
		}
		close(release)
		s.receive("result")
	})
}

// TestCallWaitsForOneThatWaits: a method may wait for a goroutine that waits for a turn, since
// that asks in the call soon.
func TestCallWaitsForOneThatWaits(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		done := s.sendLater("late")
		s.host.Log(guest.LogInfo, "a line")
		s.message = func(string) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		s.send("go")
		s.receive("log a line", "send late")
		s.answer(&pluginv1.Answer{})
		s.receive("result")
	})
}

// TestFunctionsBetweenCalls: functions are called in calls alone, and Now needs no turn.
func TestFunctionsBetweenCalls(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		if _, err := s.host.Call("a/b", nil); !errors.Is(err, &guest.CallError{Case: guest.CallUnavailable, Text: "outside of a call"}) {
			t.Errorf("between calls: %v", err)
		}
		if now := s.host.Now(); !now.Equal(time.Now()) {
			t.Errorf("now is %v", now)
		}
		release := make(chan struct{})
		s.message = func(string) { <-release }
		s.send("go")
		synctest.Wait()
		first := s.sendLater("first")
		call := later(func() error { _, err := s.host.Call("a/b", nil); return err })
		s.receive("send first")
		close(release)
		synctest.Wait()
		s.answer(&pluginv1.Answer{})
		s.receive("result")
		s.ends("the message", first, nil)
		s.ends("the function", call, guest.ErrCallUnavailable)
	})
}

// TestNoTurns: a host that gives no turns takes nothing between calls, and the error says so.
func TestNoTurns(t *testing.T) {
	live(t, &pluginv1.Start{ComponentId: "a/b", MessageSize: 1000}, func(s *liveSession) {
		if err := s.host.Send("a/c", nil); !errors.Is(err, errNoTurns) || !strings.Contains(err.Error(), "the host is older than this plug-in") {
			t.Errorf("between calls: %v", err)
		}
		s.host.Log(guest.LogInfo, "a line")
		release := make(chan struct{})
		s.message = func(string) { <-release }
		s.send("go")
		synctest.Wait()
		first, second := s.sendLater("first"), s.sendLater("second")
		s.receive("send first")
		close(release)
		synctest.Wait()
		s.answer(&pluginv1.Answer{})
		s.receive("result")
		s.ends("the first", first, nil)
		s.ends("the second", second, errNoTurns)
		if s.wanted() {
			t.Error("it wants a turn of an older host")
		}
	})
}

// TestAsksEnd: messages that wait at the end of the component are refused, and later ones.
func TestAsksEnd(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		during := s.sendLater("during")
		s.message = func(string) { <-during }
		s.call(&pluginv1.Call{Call: &pluginv1.Call_Shutdown{Shutdown: &pluginv1.Shutdown{}}})
		s.receive("send during")
		s.answer(&pluginv1.Answer{})
		s.receive("result")
		s.ends("after the shutdown", s.sendLater("after"), errShutDown)
		s.host.Log(guest.LogInfo, "nobody reads it")
	})
	var gone error
	live(t, withTurns, func(s *liveSession) {
		later(func() error {
			gone = s.host.Send("a/c", nil)
			return nil
		})
	})
	if !errors.Is(gone, errNoHost) {
		t.Errorf("the host has gone: %v", gone)
	}
}

// TestManyLogLines: a goroutine that logs more than fits waits for a turn.
func TestManyLogLines(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		done := later(func() error {
			for range maxLogs + 1 {
				s.host.Log(guest.LogInfo, "line")
			}
			return nil
		})
		s.waits("the last line", done)
		s.wanted()
		s.turn(1)
		if data := <-s.from; len(data) < maxLogs*len("line") {
			t.Errorf("a frame of %d bytes", len(data))
		}
		s.ends("the last line", done, nil)
	})
}

// TestRequests: each goroutine gets the outcome of its request, though callbacks come at once.
func TestRequests(t *testing.T) {
	live(t, withTurns, func(s *liveSession) {
		ctx, cancel := context.WithCancel(s.t.Context())
		var responses [3]string
		var all []<-chan error
		for i := range responses {
			all = append(all, later(func() error {
				response, err := s.Do(ctx, s.host, "a/c", []byte(fmt.Sprint(i)), 0)
				responses[i] = string(response)
				return err
			}))
		}
		s.wanted()
		s.turn(64)
		s.receive("request 0", "request 1", "request 2", "result")
		s.answers(&pluginv1.Answer{RequestId: 10}, &pluginv1.Answer{RequestId: 11}, &pluginv1.Answer{RequestId: 12})
		failure := "timeout"
		s.to <- frame.AppendCallback(frame.AppendCallback(frame.AppendCallback(nil, s.last+1, 11, nil, &failure), s.last+2, 10, []byte("ten"), nil), s.last+3, 99, nil, nil)
		s.last += 3
		<-s.from
		s.ends("request 0", all[0], nil)
		s.ends("request 1", all[1], guest.ErrTimeout)
		cancel()
		synctest.Wait()
		s.wanted()
		s.turn(64)
		s.receive("cancel 12", "result")
		s.answers(&pluginv1.Answer{})
		s.ends("request 2", all[2], context.Canceled)
		if responses != [3]string{"ten", "", ""} || len(s.pending) > 0 {
			t.Errorf("got %q, %d are pending", responses, len(s.pending))
		}
	})
}
