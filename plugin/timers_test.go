package plugin

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// script is the host's side of a session: it sends frames, and keeps what it receives.
type script struct {
	grpc.ServerStream
	frames [][]byte
	got    []byte
}

func (s *script) Context() context.Context { return context.Background() }

func (s *script) RecvMsg(m any) error {
	if len(s.frames) == 0 {
		return io.EOF
	}
	m.(*frame.Frame).Bytes, s.frames = s.frames[0], s.frames[1:]
	return nil
}

func (s *script) SendMsg(m any) error {
	s.got = append(s.got, m.(*frame.Frame).Bytes...)
	return nil
}

// waits is a component that starts and cancels a timer for each message.
type waits struct {
	after    error
	id       guest.TimerID
	canceled bool
}

func (w *waits) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	w.id, w.after = guest.After(h, 1500*time.Microsecond, message)
	w.canceled = guest.CancelTimer(h, 7)
	return nil, nil
}

// events decodes what the host got.
func (s *script) events(t *testing.T) (all []*pluginv1.Event) {
	t.Helper()
	for data := s.got; len(data) > 0; {
		var event frame.Event
		var err error
		if data, err = frame.NextEvent(data, &event); err != nil {
			t.Fatal(err)
		}
		if event.Other != nil && event.Other.GetResult() == nil {
			all = append(all, event.Other)
		}
	}
	return all
}

// TestTimersOfHost: a plug-in asks a host that has timers, and is answered.
func TestTimersOfHost(t *testing.T) {
	w, s := new(waits), &script{frames: [][]byte{
		start(true), frame.AppendMessage(nil, 2, "a/b", []byte("hello"), true),
		frame.AppendAnswer(nil, &pluginv1.Answer{TimerId: 5}), frame.AppendAnswer(nil, &pluginv1.Answer{Running: true}),
	}}
	if err := newSession(&componentServer{component: w}, s).run(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if w.after != nil || w.id != 5 || !w.canceled {
		t.Errorf("got %+v", w)
	}
	events := s.events(t)
	if len(events) != 2 || events[0].GetAfter().GetMilliseconds() != 2 || string(events[0].GetAfter().GetPayload()) != "hello" ||
		events[1].GetCancelTimer().GetTimerId() != 7 {
		t.Errorf("the host got %v", events)
	}
}

// TestNoTimersOfHost: a host that does not know timers is not asked for them.
func TestNoTimersOfHost(t *testing.T) {
	w, s := new(waits), &script{frames: [][]byte{start(false), frame.AppendMessage(nil, 2, "a/b", nil, true)}}
	if err := newSession(&componentServer{component: w}, s).run(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if !errors.Is(w.after, guest.ErrUnavailable) || w.canceled {
		t.Errorf("got %+v, want the refusal unavailable", w)
	}
	if events := s.events(t); len(events) > 0 {
		t.Errorf("the host got %v", events)
	}
}

func start(timers bool) []byte {
	return startOf(&pluginv1.Start{ComponentId: "a/b", MessageSize: 1000, Timers: timers})
}

func startOf(start *pluginv1.Start) []byte {
	return frame.AppendCall(nil, &pluginv1.Call{Id: 1, Call: &pluginv1.Call_Start{Start: start}})
}
