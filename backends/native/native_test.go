package native_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// scripted is a component whose methods are functions of the test.
type scripted struct {
	message func(host guest.Host, message []byte) ([]byte, error)
	health  guest.HealthStatus
	config  guest.Config
	failure error
}

func (s *scripted) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	return s.message(host, message)
}

func (s *scripted) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	s.failure = failure
	return failure
}

func (s *scripted) Initialize(host guest.Host, config guest.Config) error {
	s.config = config
	return nil
}

func (s *scripted) Health() guest.HealthStatus { return s.health }

// services records the component's calls and returns err.
type services struct {
	core.Services
	err    error
	asked  []string
	millis uint64
}

func (s *services) SendMessage(target, message []byte) error {
	s.asked = append(s.asked, fmt.Sprintf("send %s %s", target, message))
	return s.err
}

func (s *services) SendRequest(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	s.asked = append(s.asked, fmt.Sprintf("request %s %s", target, request))
	s.millis = timeoutMillis
	return 7, s.err
}

func (s *services) CancelRequest(id core.RequestID) error { return s.err }
func (s *services) Now() uint64                           { return uint64(5 * time.Second) }

func (s *services) Log(level core.LogLevel, message []byte) {
	s.asked = append(s.asked, fmt.Sprintf("log %s %s", level, message))
}

var id = core.MustComponentID("test/a")

func instantiate(t *testing.T, value guest.Component, host core.Services) core.Instance {
	t.Helper()
	return start(t, value, core.Environment{ID: id, Host: host})
}

func start(t *testing.T, value guest.Component, env core.Environment) core.Instance {
	t.Helper()
	env.Limits.MessageSize = 8
	engine, err := native.New(native.Config{})
	if err != nil {
		t.Fatal(err)
	}
	component, err := engine.Compile(t.Context(), native.Source(func() guest.Component { return value }), core.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	instance, err := component.Instantiate(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

func TestHostServices(t *testing.T) {
	host := &services{}
	var kept guest.Host
	instance := instantiate(t, &scripted{message: func(h guest.Host, message []byte) ([]byte, error) {
		kept = h
		request, err := h.Request("test/b", message, time.Microsecond)
		if request != 7 || err != nil {
			t.Errorf("Request = %d, %v", request, err)
		}
		if _, err := h.Request("test/b", message, -1); !errors.Is(err, guest.ErrInvalidArgument) {
			t.Errorf("Request with a negative timeout: %v", err)
		}
		h.Log(200, "bad \xff")
		if now := h.Now(); now.Unix() != 5 || h.SelfID() != "test/a" || h.Cancel(7) != nil {
			t.Errorf("Now = %v, SelfID = %s", now, h.SelfID())
		}
		return message, h.Send("test/c", message)
	}}, host)
	message := []byte("ping")
	if err := instance.HandleMessage(id, message, nil); err != nil {
		t.Fatal(err)
	}
	want := "[request test/b ping log error bad \uFFFD send test/c ping]"
	if got := fmt.Sprint(host.asked); got != want || host.millis != 1 {
		t.Errorf("the host was asked %s (%d ms), want %s (1 ms)", got, host.millis, want)
	}
	if err := kept.Send("test/c", nil); !errors.Is(err, guest.ErrUnavailable) {
		t.Errorf("Send after the call: %v, want unavailable", err)
	}
	if _, err := kept.Request("test/c", nil, 0); !errors.Is(err, guest.ErrUnavailable) {
		t.Errorf("Request after the call: %v, want unavailable", err)
	}
	if err := kept.Cancel(7); !errors.Is(err, guest.ErrUnavailable) {
		t.Errorf("Cancel after the call: %v, want unavailable", err)
	}
}

// buffer is functions of a host that uses its result's memory again.
type buffer struct{ result []byte }

func (b *buffer) CallFunction(name, argument []byte) ([]byte, error) {
	if string(name) == "test/fails" {
		return nil, &core.CallError{Case: core.CallErrorCase(argument[0]), Text: "x"}
	}
	b.result = append(append(b.result[:0], name...), argument...)
	return b.result, nil
}

// TestFunctions: a result belongs to the component, and errors keep case and text.
func TestFunctions(t *testing.T) {
	var kept guest.Host
	var results []string
	value := &scripted{message: func(h guest.Host, _ []byte) ([]byte, error) {
		kept = h
		one, err1 := h.Call("test/one", []byte("1"))
		two, err2 := h.Call("test/two", []byte("2"))
		three, err3 := h.Call("", nil)
		results = []string{string(one), string(two), string(three)}
		for _, c := range core.CallErrorCases() {
			want := &guest.CallError{Case: guest.CallErrorCase(c), Text: "x"}
			if result, err := h.Call("test/fails", []byte{byte(c)}); result != nil || !errors.Is(err, want) {
				t.Errorf("%v arrived as %q, %v", c, result, err)
			}
		}
		return nil, errors.Join(err1, err2, err3)
	}}
	instance := start(t, value, core.Environment{ID: id, Host: &services{}, Functions: new(buffer)})
	if err := instance.HandleMessage(id, nil, nil); err != nil || fmt.Sprint(results) != "[test/one1 test/two2 ]" {
		t.Errorf("got %q, %v", results, err)
	}
	if _, err := kept.Call("test/one", nil); !errors.Is(err, guest.ErrCallUnavailable) {
		t.Errorf("Call after the call: %v, want unavailable", err)
	}
}

// TestPublishAfterTheCall: publish is refused outside of calls, and by a host without topics.
func TestPublishAfterTheCall(t *testing.T) {
	var kept guest.Host
	value := &scripted{message: func(h guest.Host, _ []byte) ([]byte, error) {
		kept = h
		return nil, h.Publish("orders.created", nil)
	}}
	instance := start(t, value, core.Environment{ID: id, Host: &services{}})
	if err := instance.HandleMessage(id, nil, nil); err == nil || !strings.Contains(err.Error(), "the host has no topics") {
		t.Errorf("Publish without topics: %v", err)
	}
	if err := kept.Publish("orders.created", nil); !errors.Is(err, guest.ErrUnavailable) || !strings.Contains(err.Error(), "outside of a call") {
		t.Errorf("Publish after the call: %v", err)
	}
}

// TestErrorsCross checks that the error cases of packages core and guest agree.
func TestErrorsCross(t *testing.T) {
	for _, c := range core.MessagingErrorCases() {
		refusal := &core.MessagingError{Case: c, Text: "x"}
		instance := instantiate(t, &scripted{message: func(h guest.Host, _ []byte) ([]byte, error) {
			return nil, h.Send("test/b", nil)
		}}, &services{err: refusal})
		err := instance.HandleMessage(id, nil, nil)
		if want := (&core.ComponentError{Case: core.CaseFailed, Text: refusal.Error()}); !errors.Is(err, want) {
			t.Errorf("%s arrived as %v", refusal, err)
		}
	}
	for reason := core.ReasonTimeout; reason <= core.ReasonUnavailable; reason++ {
		value := &scripted{}
		failure := &core.RequestError{Reason: reason, Text: "x"}
		err := instantiate(t, value, nil).HandleCallback(1, nil, failure)
		if value.failure == nil || value.failure.Error() != failure.Error() || !errors.Is(err, core.ErrFailed) {
			t.Errorf("%s arrived as %v, came back as %v", failure, value.failure, err)
		}
	}
	for c, make := range map[core.ComponentErrorCase]func(string, ...any) error{
		core.CaseInvalidMessage: guest.InvalidMessage, core.CaseComponentUnavailable: guest.Unavailable, core.CaseFailed: guest.Failed,
	} {
		instance := instantiate(t, &scripted{message: func(guest.Host, []byte) ([]byte, error) {
			return nil, fmt.Errorf("wrapped: %w", make("%d", 1))
		}}, nil)
		if err := instance.HandleMessage(id, nil, nil); !errors.Is(err, &core.ComponentError{Case: c, Text: "1"}) {
			t.Errorf("%s arrived as %v", c, err)
		}
	}
}

func TestCallbackWithoutFailure(t *testing.T) {
	value := &scripted{failure: errors.New("old")}
	if err := instantiate(t, value, nil).HandleCallback(1, nil, nil); err != nil || value.failure != nil {
		t.Errorf("HandleCallback = %v, the component was given %v", err, value.failure)
	}
}

func TestResponses(t *testing.T) {
	instance := instantiate(t, &scripted{message: func(_ guest.Host, message []byte) ([]byte, error) { return message[1:], nil }}, nil)
	message := []byte("-hello")
	response := message[:0]
	if err := instance.HandleMessage(id, message, &response); err != nil || string(response) != "hello" {
		t.Errorf("response over the message: %q, %v", response, err)
	}
	err := instance.HandleMessage(id, []byte("0123456789"), &response)
	if !errors.Is(err, core.ErrFailed) || !strings.Contains(err.Error(), "quota.message_size") {
		t.Errorf("a response of 9 bytes where 8 are allowed: %v", err)
	}
	if err := instance.HandleMessage(id, message, nil); err != nil {
		t.Errorf("after a refused response: %v", err)
	}
}

func TestPanicEndsInstance(t *testing.T) {
	calls := 0
	instance := instantiate(t, &scripted{message: func(guest.Host, []byte) ([]byte, error) {
		calls++
		panic("out of\nwits")
	}}, nil)
	for range 2 {
		err := instance.HandleMessage(id, nil, nil)
		var trap *core.TrapError
		if !errors.As(err, &trap) || trap.Kind != core.TrapFault || trap.Text != "panic: out of" || !strings.Contains(trap.Details, "native_test.go") {
			t.Errorf("HandleMessage = %#v", err)
		}
	}
	if _, err := instance.Health(); err == nil || calls != 1 {
		t.Errorf("a trapped instance was called %d times, Health = %v", calls, err)
	}
	if err := instance.Close(); err != nil {
		t.Error(err)
	}
}

func TestInterrupt(t *testing.T) {
	host := &services{}
	var instance core.Instance
	instance = instantiate(t, &scripted{message: func(h guest.Host, _ []byte) ([]byte, error) {
		instance.Interrupt()
		if err := h.Send("test/b", nil); !errors.Is(err, guest.ErrUnavailable) {
			t.Errorf("Send of an interrupted instance: %v", err)
		}
		return nil, nil
	}}, host)
	for range 2 {
		var trap *core.TrapError
		if err := instance.HandleMessage(id, nil, nil); !errors.As(err, &trap) || trap.Kind != core.TrapHandler {
			t.Errorf("HandleMessage = %v", err)
		}
	}
	if len(host.asked) != 0 {
		t.Errorf("the host was asked %q", host.asked)
	}
}

func TestInvalidHealthEndsInstance(t *testing.T) {
	instance := instantiate(t, &scripted{health: 3}, nil)
	var trap *core.TrapError
	if _, err := instance.Health(); !errors.As(err, &trap) || trap.Kind != core.TrapABI {
		t.Errorf("Health = %v", err)
	}
	if err := instance.Shutdown(); !errors.As(err, &trap) {
		t.Errorf("Shutdown of an ended instance = %v", err)
	}
}

func TestConfigKeepsItsOrder(t *testing.T) {
	value := &scripted{}
	pairs := []core.ConfigPair{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}, {Key: "b", Value: "3"}}
	if err := instantiate(t, value, nil).Initialize(pairs); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(value.config); got != "[{b 1} {a 2} {b 3}]" {
		t.Errorf("config %s", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	engine, _ := native.New(native.Config{Components: map[string]func() guest.Component{
		"echo": func() guest.Component { return &scripted{} },
		"nil":  func() guest.Component { return nil },
		"boom": func() guest.Component { panic("boom") },
	}})
	for want, src := range map[string]core.Source{
		"available are: boom, echo, nil": {Path: "ecco"},
		"is a int":                       {Value: 1},
		"that is not nil":                native.Source(nil),
		"returned nil":                   {Path: "nil"},
		"panic: boom":                    {Path: "boom"},
	} {
		var refused *core.ModuleError
		if _, err := engine.Compile(t.Context(), src, core.Limits{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want a ModuleError with %q", src, err, want)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Compile(canceled, core.Source{Path: "echo"}, core.Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Compile with a canceled context: %v", err)
	}
}

// TestOneValuePerInstance: the value that Compile creates serves the first instance.
func TestOneValuePerInstance(t *testing.T) {
	made := 0
	engine, _ := native.New(native.Config{})
	component, err := engine.Compile(t.Context(), native.Source(func() guest.Component {
		if made++; made > 2 {
			panic("spent")
		}
		return &scripted{}
	}), core.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for want := 1; want <= 2; want++ {
		if _, err := component.Instantiate(t.Context(), core.Environment{ID: id}); err != nil || made != want {
			t.Errorf("instance %d: %d values were made, %v", want, made, err)
		}
	}
	var trap *core.TrapError
	if _, err := component.Instantiate(t.Context(), core.Environment{ID: id}); !errors.As(err, &trap) {
		t.Errorf("a constructor that panics: %v", err)
	}
	_, err = component.Instantiate(t.Context(), core.Environment{ID: id, Starting: core.Instance.Interrupt})
	if !errors.As(err, &trap) || trap.Kind != core.TrapHandler {
		t.Errorf("interrupted while starting: %v", err)
	}
}

// TestInterruptionNamesTheLimit: the trap names the limit that the call may have
// exceeded.
func TestInterruptionNamesTheLimit(t *testing.T) {
	instance := instantiate(t, &scripted{message: func(guest.Host, []byte) ([]byte, error) { return nil, nil }}, &services{})
	if err := instance.Initialize(nil); err != nil {
		t.Fatal(err)
	}
	instance.Interrupt()
	want := "trapped: handler-time: not done within limits.handler_time (250ms), or the host ended it"
	if err := instance.HandleMessage(id, nil, nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestSameErrorsAsCore: errors.Is equates an error of package guest with the error
// of core that has the same case, and with no other.
func TestSameErrorsAsCore(t *testing.T) {
	pairs := [][2]error{
		{guest.ErrInvalidMessage, core.ErrInvalidMessage}, {guest.ErrComponentUnavailable, core.ErrComponentUnavailable}, {guest.ErrFailed, core.ErrFailed},
		{guest.ErrCapabilityDenied, core.ErrCapabilityDenied}, {guest.ErrQuotaExceeded, core.ErrQuotaExceeded},
		{guest.ErrTargetNotFound, core.ErrTargetNotFound}, {guest.ErrQueueFull, core.ErrQueueFull},
		{guest.ErrInvalidArgument, core.ErrInvalidArgument}, {guest.ErrRequestNotFound, core.ErrRequestNotFound}, {guest.ErrUnavailable, core.ErrUnavailable},
		{guest.ErrTimeout, core.ErrTimeout}, {guest.ErrRequestFailed, core.ErrRequestFailed}, {guest.ErrRequestTrapped, core.ErrRequestTrapped},
		{guest.ErrTargetRemoved, core.ErrTargetRemoved}, {guest.ErrRequestUnavailable, core.ErrRequestUnavailable},
	}
	for i, one := range pairs {
		for j, other := range pairs {
			same := errors.Is(one[1], other[1])
			if errors.Is(one[0], other[1]) != same || errors.Is(one[1], other[0]) != same || errors.Is(one[0], other[0]) != same || i == j && !same {
				t.Errorf("%T %v and %T %v: want %t in both directions", one[0], one[0], other[1], other[1], same)
			}
		}
	}
	err := fmt.Errorf("order 7: %w", guest.InvalidMessage("no number"))
	if !errors.Is(err, &core.ComponentError{Case: core.CaseInvalidMessage, Text: "no number"}) || errors.Is(err, &core.ComponentError{Case: core.CaseInvalidMessage, Text: "x"}) {
		t.Errorf("%v is not compared by its text", err)
	}
}
