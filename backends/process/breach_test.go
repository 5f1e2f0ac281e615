package process_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/frame"
	"github.com/airhost/airhost/internal/spawn"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

func init() { roles["liar"] = serveLiar }

// liar implements the protocol by hand and breaks it at the first message, in the
// way that the environment names.
type liar struct {
	goplugin.NetRPCUnsupportedPlugin
	pluginv1.UnimplementedComponentServer
}

const lieVariable = "AIRHOST_TEST_LIE"

func serveLiar() {
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  spawn.Handshake("component"),
		VersionedPlugins: map[int]goplugin.PluginSet{spawn.Version: {"component": liar{}}},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.ForceServerCodecV2(frame.Codec{}))...)
		},
	})
}

func (l liar) GRPCServer(_ *goplugin.GRPCBroker, server *grpc.Server) error {
	pluginv1.RegisterComponentServer(server, l)
	return nil
}

func (liar) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

func (liar) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Description, error) {
	if os.Getenv(lieVariable) == "mute" {
		return nil, errors.New("not today")
	}
	turns := lies[os.Getenv(lieVariable)].wants != nil
	return &pluginv1.Description{Callback: true, Management: true, State: true, Turns: turns}, nil
}

// Run answers the start, and any call that is no lie, correctly.
func (liar) Run(stream pluginv1.Component_RunServer) error {
	if tell := longTexts[os.Getenv(lieVariable)]; tell != nil {
		return runLong(stream, tell)
	}
	lie := lies[os.Getenv(lieVariable)]
	for call := uint64(1); ; call++ {
		if err := stream.RecvMsg(new(frame.Frame)); err != nil {
			return err
		}
		if call == 2 && lie.tell != nil {
			if err := lie.tell(stream, call); err != nil {
				return err
			}
			continue
		}
		if err := send(stream, frame.AppendResponse(nil, call, nil)); err != nil {
			return err
		}
	}
}

func send(stream grpc.ServerStream, data []byte) error {
	return stream.SendMsg(&frame.Frame{Bytes: data})
}

func event(call uint64, e *pluginv1.Event) []byte {
	e.CallId = call
	return frame.AppendEvent(nil, e)
}

func resultOf(r *pluginv1.Result) *pluginv1.Event {
	return &pluginv1.Event{Event: &pluginv1.Event_Result{Result: r}}
}

// errLast ends the stream after the last event.
var errLast = errors.New("that was all")

// lie is a breach by a process in its second call. The host detects it, with the
// error want, in this call or only in the third.
type lie struct {
	tell func(stream grpc.ServerStream, call uint64) error
	want error
	late bool
	call func(core.Instance) error // nil for handleMessage
	// wants is how a process that sends on its own asks for turns; nil for all others.
	wants func(pluginv1.Component_WantsServer) error
}

func handleMessage(in core.Instance) error {
	var response []byte
	return in.HandleMessage(core.MustComponentID("test/b"), nil, &response)
}

func health(in core.Instance) error {
	_, err := in.Health()
	return err
}

func save(in core.Instance) error {
	_, err := in.(core.StateKeeper).Save(nil)
	return err
}

func part(size int) *pluginv1.Event {
	return &pluginv1.Event{Event: &pluginv1.Event_State{State: &pluginv1.State{Part: make([]byte, size)}}}
}

func callFunction(size int) *pluginv1.Event {
	return &pluginv1.Event{Event: &pluginv1.Event_CallFunction{CallFunction: &pluginv1.CallFunction{Name: "a/b", Argument: make([]byte, size)}}}
}

var lies = map[string]lie{
	"garbage": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, []byte("\xff\xff\xff\xff garbage"))
	}},
	"garbage within": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, []byte("\x0a\x04\x08\x02\x12\x7f"))
	}},
	"another field": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, []byte("\x12\x00"))
	}},
	"nothing": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, nil)
	}},
	"no event": {want: process.ErrMalformed, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, &pluginv1.Event{}))
	}},
	"large frame": {want: process.ErrFrameTooLarge, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, frame.AppendResponse(nil, call, make([]byte, 1000+64<<10)))
	}},
	"large response": {want: process.ErrTooLarge, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, frame.AppendResponse(nil, call, make([]byte, 1001)))
	}},
	"unknown call": {want: process.ErrUnknownCall, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, frame.AppendResponse(nil, call+1, nil))
	}},
	"no call": {want: process.ErrUnknownCall, tell: func(s grpc.ServerStream, _ uint64) error {
		return send(s, frame.AppendResponse(nil, 0, nil))
	}},
	"two results": {want: process.ErrEndedCall, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, frame.AppendResponse(frame.AppendResponse(nil, call, nil), call, nil))
	}},
	"two results apart": {want: process.ErrEndedCall, late: true, tell: func(s grpc.ServerStream, call uint64) error {
		return errors.Join(send(s, frame.AppendResponse(nil, call, nil)), send(s, frame.AppendResponse(nil, call, nil)))
	}},
	"send between calls": {want: process.ErrEndedCall, late: true, tell: func(s grpc.ServerStream, call uint64) error {
		return errors.Join(send(s, frame.AppendResponse(nil, call, nil)),
			send(s, event(call, &pluginv1.Event{Event: &pluginv1.Event_Send{Send: &pluginv1.Send{Target: "a/b"}}})))
	}},
	"no patience": {want: process.ErrNoAnswerYet, tell: func(s grpc.ServerStream, call uint64) error {
		now := event(call, &pluginv1.Event{Event: &pluginv1.Event_Now{Now: &pluginv1.Now{}}})
		return send(s, append(now, now...))
	}},
	"two functions at once": {want: process.ErrNoAnswerYet, tell: func(s grpc.ServerStream, call uint64) error {
		f := event(call, callFunction(1))
		return send(s, append(f, f...))
	}},
	"function between calls": {want: process.ErrEndedCall, late: true, tell: func(s grpc.ServerStream, call uint64) error {
		return errors.Join(send(s, frame.AppendResponse(nil, call, nil)), send(s, event(call, callFunction(1))))
	}},
	"function of another call": {want: process.ErrUnknownCall, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call+1, callFunction(1)))
	}},
	"result before the answer": {want: process.ErrNoAnswerYet, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, frame.AppendResponse(event(call, callFunction(1)), call, nil))
	}},
	"large argument": {want: process.ErrFrameTooLarge, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, callFunction(1000+64<<10)))
	}},
	"log level": {want: process.ErrBadEvent, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, &pluginv1.Event{Event: &pluginv1.Event_Log{Log: &pluginv1.Log{Level: 5}}}))
	}},
	"error case": {want: process.ErrBadEvent, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, resultOf(&pluginv1.Result{Error: &pluginv1.ComponentError{Case: -1}})))
	}},
	"health": {want: process.ErrBadEvent, call: health, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, resultOf(&pluginv1.Result{Health: 3})))
	}},
	"state outside of save": {want: process.ErrBadEvent, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, part(1)))
	}},
	"large state": {want: process.ErrStateTooLarge, call: save, tell: func(s grpc.ServerStream, call uint64) error {
		return errors.Join(send(s, event(call, part(60_000))), send(s, event(call, part(40_001))))
	}},
	"state left out": {want: process.ErrBadEvent, call: save, tell: func(s grpc.ServerStream, call uint64) error {
		return send(s, event(call, resultOf(&pluginv1.Result{StateSize: 100_000})))
	}},
	"stream ends":  {want: process.ErrStreamEnded, tell: func(grpc.ServerStream, uint64) error { return errLast }},
	"process ends": {tell: func(grpc.ServerStream, uint64) error { os.Exit(7); return nil }},
}

// start creates an instance with this test's executable.
func start(t *testing.T, c process.Command, limits core.Limits) (core.Instance, *enginetest.Services) {
	t.Helper()
	return startWanting(t, c, limits, nil)
}

// startWanting is start for a process that asks for turns.
func startWanting(t *testing.T, c process.Command, limits core.Limits, wanted func()) (core.Instance, *enginetest.Services) {
	t.Helper()
	engine, err := newEngine()
	if err != nil {
		t.Fatal(err)
	}
	component, err := engine.Compile(t.Context(), process.Source(c), patient)
	if err != nil {
		t.Fatal(err)
	}
	services := &enginetest.Services{}
	limits.StartTime = patient.StartTime
	in, err := component.Instantiate(t.Context(), core.Environment{ID: core.MustComponentID("test/a"), Host: services, Functions: services, Limits: limits, Wanted: wanted})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in, services
}

func liarCommand(lie string) process.Command {
	c := command("liar")
	c.Env = append(c.Env, lieVariable+"="+lie)
	return c
}

func TestBreaches(t *testing.T) {
	for name, lie := range lies {
		if lie.wants != nil {
			continue // see TestBreachesInTurns
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, services := start(t, liarCommand(name), core.Limits{MessageSize: 1000, Memory: 100_000})
			call := lie.call
			if call == nil {
				call = handleMessage
			}
			if lie.late {
				if err := call(in); err != nil {
					t.Fatalf("the call of the lie: %v", err)
				}
			}
			err := call(in)
			var trap *core.TrapError
			if !errors.As(err, &trap) {
				t.Fatalf("got %v, want a TrapError", err)
			}
			if lie.want != nil && (!errors.Is(err, lie.want) || trap.Kind != core.TrapABI) {
				t.Errorf("got %v (%v), want %v", err, trap.Kind, lie.want)
			}
			if lie.want == nil && (trap.Kind != core.TrapFault || !strings.Contains(trap.Text, "exit status 7")) {
				t.Errorf("got %v (%v), want the process's end", err, trap.Kind)
			}
			if again := handleMessage(in); !errors.As(again, &trap) {
				t.Errorf("the next call: %v, want a TrapError", again)
			}
			if len(services.Asked) > 0 && name != "no patience" {
				t.Errorf("the host was asked %q", services.Asked)
			}
		})
	}
}
