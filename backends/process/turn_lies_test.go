package process_test

import (
	"errors"
	"math"
	"os"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

func (liar) Wants(_ *pluginv1.WantsRequest, stream pluginv1.Component_WantsServer) error {
	return lies[os.Getenv(lieVariable)].wants(stream)
}

// wantOnce asks for one turn.
func wantOnce(stream pluginv1.Component_WantsServer) error {
	if err := stream.Send(&pluginv1.Wanted{}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// wantForEver asks for turns without end, and does not wait for them.
func wantForEver(stream pluginv1.Component_WantsServer) error {
	for {
		if err := stream.Send(&pluginv1.Wanted{}); err != nil {
			return err
		}
	}
}

// wantLarge asks by a message that is too large.
func wantLarge(stream pluginv1.Component_WantsServer) error {
	return errors.Join(stream.SendMsg(&frame.Frame{Bytes: frame.AppendResponse(nil, 1, make([]byte, 1<<20))}), wantOnce(stream))
}

func sendEvent(size int) *pluginv1.Event {
	return &pluginv1.Event{Event: &pluginv1.Event_Send{Send: &pluginv1.Send{Target: "a/b", Message: make([]byte, size)}}}
}

// sends returns n messages of a call.
func sends(n int, call uint64) (data []byte) {
	for range n {
		data = append(data, event(call, sendEvent(1))...)
	}
	return data
}

// turn gives turns until one has a result.
func turn(in core.Instance) error { return in.(core.Turner).Turn() }

// turnLies are breaches in a turn.
var turnLies = map[string]lie{
	"turn: garbage": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, []byte("\xff\xff\xff\xff garbage"))
	}},
	"turn: nothing": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, nil)
	}},
	"turn: a large frame": {want: process.ErrFrameTooLarge, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, sendEvent(1000+64<<10)))
	}},
	"turn: a large result": {want: process.ErrTooLarge, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, frame.AppendResponse(nil, call, make([]byte, 1001)))
	}},
	"turn: a function": {want: process.ErrBadEvent, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, callFunction(1)))
	}},
	"turn: a state": {want: process.ErrBadEvent, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, part(1)))
	}},
	"turn: a log level": {want: process.ErrBadEvent, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, &pluginv1.Event{Event: &pluginv1.Event_Log{Log: &pluginv1.Log{Level: 5}}}))
	}},
	"turn: another call": {want: process.ErrUnknownCall, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call+1, sendEvent(1)))
	}},
	"turn: no call": {want: process.ErrUnknownCall, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, event(0, sendEvent(1)))
	}},
	"turn: after the result": {want: process.ErrEndedCall, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, append(frame.AppendResponse(nil, call, nil), event(call, sendEvent(1))...))
	}},
	"turn: too many": {want: process.ErrLongTurn, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, sends(65, call))
	}},
	"turn: too many in all": {want: process.ErrLongTurn, tell: func(s grpc.ServerStream, call uint64) error {
		return errors.Join(send(s, sends(40, call)), send(s, sends(25, call)))
	}},
	"turn: the stream ends":  {want: process.ErrStreamEnded, tell: func(grpc.ServerStream, uint64) error { return errLast }},
	"turn: the process ends": {tell: func(grpc.ServerStream, uint64) error { os.Exit(7); return nil }},
}

// wishes are processes that ask for turns in a wrong way, and otherwise tell the truth.
var wishes = map[string]func(pluginv1.Component_WantsServer) error{
	"wishes without end": wantForEver,
	"large wishes":       wantLarge,
	"no wishes":          func(pluginv1.Component_WantsServer) error { return errLast },
}

func init() {
	for name, l := range turnLies {
		l.wants = wantOnce
		lies[name] = l
	}
	for name, wants := range wishes {
		lies[name] = lie{wants: wants}
	}
	lies["sends after shutdown"] = lie{wants: wantOnce, tell: func(s grpc.ServerStream, call uint64) error {
		return errors.Join(send(s, frame.AppendResponse(nil, call, nil)), send(s, sends(10, call)), send(s, sends(10, call+1)))
	}}
}

// TestBreachesInTurns: a process that breaks the protocol in a turn ends as in any other call.
func TestBreachesInTurns(t *testing.T) {
	for name, lie := range turnLies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted := make(chan struct{}, 10)
			in, services := startWanting(t, liarCommand(name), core.Limits{MessageSize: 1000, Memory: 100_000}, func() { wanted <- struct{}{} })
			<-wanted
			err := turn(in)
			var trap *core.TrapError
			if !errors.As(err, &trap) {
				t.Fatalf("got %v, want a TrapError", err)
			}
			if lie.want != nil && (!errors.Is(err, lie.want) || trap.Kind != core.TrapABI) {
				t.Errorf("got %v (%v), want %v", err, trap.Kind, lie.want)
			}
			if lie.want == nil && trap.Kind != core.TrapFault {
				t.Errorf("got %v (%v), want the end of the process", err, trap.Kind)
			}
			if again := turn(in); !errors.As(again, &trap) {
				t.Errorf("the next turn: %v, want a TrapError", again)
			}
			if n := len(services.Asked); n > 64 {
				t.Errorf("%d services in a turn", n)
			}
		})
	}
}

// TestWishesWithoutEnd: a process that asks for turns without end is heard once for each turn,
// and the host has no more of its wishes in memory than a window of the stream.
func TestWishesWithoutEnd(t *testing.T) {
	var heard atomic.Int64
	wanted := make(chan struct{}, 1000)
	in, _ := startWanting(t, liarCommand("wishes without end"), core.Limits{}, func() { heard.Add(1); wanted <- struct{}{} })
	for n := range int64(50) {
		<-wanted
		if err := handleMessage(in); err != nil {
			t.Fatal(err)
		}
		if got := heard.Load(); got != n+1 {
			t.Fatalf("heard %d times before turn %d", got, n+1)
		}
		if err := turn(in); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWrongWishes: a process that does not ask as the protocol says gets no turns, and goes on.
func TestWrongWishes(t *testing.T) {
	for name := range wishes {
		if name == "wishes without end" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			in, services := startWanting(t, liarCommand(name), core.Limits{}, func() { t.Error("heard") })
			for range 10 {
				if err := errors.Join(handleMessage(in), turn(in)); err != nil {
					t.Fatal(err)
				}
			}
			if len(services.Asked) > 0 {
				t.Errorf("the host was asked %q", services.Asked)
			}
		})
	}
}

// TestSendsAfterShutdown: nothing that a process sends after its last call reaches the host.
func TestSendsAfterShutdown(t *testing.T) {
	wanted := make(chan struct{}, 10)
	in, services := startWanting(t, liarCommand("sends after shutdown"), core.Limits{MessageSize: math.MaxInt32}, func() { wanted <- struct{}{} })
	<-wanted
	if err := errors.Join(in.Shutdown(), in.Close()); err != nil {
		t.Error(err)
	}
	if err := turn(in); !errors.Is(err, core.ErrClosed) {
		t.Errorf("a turn after the end: %v", err)
	}
	if len(services.Asked) > 0 {
		t.Errorf("the host was asked %q", services.Asked)
	}
}
