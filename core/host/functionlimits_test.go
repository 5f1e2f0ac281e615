package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// The call of a function in Go allocates nothing.
func TestFunctionAllocatesNothing(t *testing.T) {
	if host.Raced {
		t.Skip("the race detector allocates")
	}
	result := []byte("result")
	h := start(t, host.Config{Functions: map[string]host.Function{
		"f/const": func(context.Context, core.ComponentID, []byte) ([]byte, error) { return result, nil },
	}})
	allocations := make(chan float64, 1)
	x := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		name := []byte("f/const")
		allocations <- testing.AllocsPerRun(1000, func() { _, _ = i.env.Functions.CallFunction(name, message) })
		return nil, nil
	}}
	check(t, h.Deploy(within(t), callerDeployment(t, "a/x", x)))
	h.do("a/x")
	equal(t, "allocations", <-allocations, 0)
}

// Calls may be nested 16 deep.
func TestFunctionNesting(t *testing.T) {
	of := make(map[string]string)
	for c := 'a'; c < 'a'+18; c++ {
		of[string(c)] = "n/" + string(c)
	}
	h := start(t, provides(of))
	h.deployCaller("a/x")
	for _, name := range of {
		h.deployCaller(name)
	}
	nested := func(depth int) (message string) {
		for c := 'a'; c < 'a'+rune(depth); c++ {
			message += "f/" + string(c) + " "
		}
		return message + "f/none"
	}
	h.calls(nested(16), strings.Repeat("ok: ", 16)+"not-found")
	h.calls(nested(17), strings.Repeat("ok: ", 16)+"unavailable: functions are nested 16 deep")
}

func TestFunctionAccept(t *testing.T) {
	h := start(t, provides(map[string]string{"upper": "b/y"}))
	h.deployCaller("a/x")
	d := toyDeployment("b/y", provider())
	d.Accept = host.Accept{MessagesPerSecond: 1, Burst: 2}
	check(t, h.Deploy(within(t), d))
	h.calls("f/upper 1", "ok: ")
	h.calls("f/upper 2", "ok: ")
	h.calls("f/upper 3", "unavailable: b/y: accept.messages_per_second")
}

// A refusal is audited, and an update grants a function or takes it back.
func TestFunctionGrants(t *testing.T) {
	h := start(t, host.Config{Functions: map[string]host.Function{"f/upper": upper}})
	d := callerDeployment(t, "a/x", caller())
	check(t, h.Deploy(within(t), d))
	h.calls("f/upper 1", "ok: ")
	d.Capabilities.Call = nil
	check(t, h.Update(within(t), d))
	h.calls("f/upper 1", "denied: f/upper")
	s := h.Components()[0]
	equal(t, "calls", s.Calls, 2)
	equal(t, "failed calls", s.FailedCalls, 1)
	check(t, h.Undeploy(within(t), id("a/x")))
	equal(t, "calls after its end", h.Snapshot().Calls, 2)
	equal(t, "denied calls", h.Snapshot().FailedCalls["denied"], 1)
	check(t, h.Stop(within(t)))
	contains(t, "the log", h.log.String(), `component=a/x target=f/upper pattern=call reason="denied: f/upper"`)
}

// busy is a provider that handles its first call until end is closed.
func busy(begun chan<- struct{}, end <-chan struct{}) *toy {
	return &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		begun <- struct{}{}
		select {
		case <-end:
			return message, nil
		case <-i.interrupted:
			return nil, &core.TrapError{Kind: core.TrapHandler, Text: "interrupted"}
		}
	}}
}

// Calls that wait in line end when their provider is removed, when it fails, and at their
// deadline.
func TestFunctionInLineEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(h *testHost, release chan struct{})
		want string
	}{
		{"removed", func(h *testHost, release chan struct{}) {
			go func() { <-time.After(time.Millisecond); close(release) }()
			check(h.t, h.Undeploy(within(h.t), id("b/y")))
		}, "unavailable: b/y, which provides f/busy, is not deployed"},
		{"failed", func(*testHost, chan struct{}) {}, "unavailable: b/y has failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, provides(map[string]string{"busy": "b/y"}))
				h.deployCaller("a/x")
				begun, release := make(chan struct{}, 10), make(chan struct{})
				d := toyDeployment("b/y", busy(begun, release))
				d.Restart.Policy = host.RestartTemporary
				check(t, h.Deploy(within(t), d))
				check(t, h.Send(id("b/y"), nil))
				<-begun
				answer := make(chan string, 1)
				go func() {
					got, _ := h.request("a/x", "f/busy")
					answer <- got
				}()
				waitInLine(h)
				test.end(h, release)
				contains(t, "the answer", <-answer, test.want)
			})
		})
	}
}

// waitInLine waits until a call waits for an instance.
func waitInLine(h *testHost) {
	for {
		if waits := h.Snapshot().Waits; len(waits) == 1 && !waits[0].Served {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// A provider that hangs does not hold its caller: it gets unavailable in time, and the
// provider goes on until its own time is over.
func TestFunctionOfHangingComponent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, provides(map[string]string{"busy": "b/y"}))
		d := callerDeployment(t, "a/x", caller())
		d.Limits.HandlerTime = 50 * time.Millisecond
		check(t, h.Deploy(within(t), d))
		d = toyDeployment("b/y", busy(make(chan struct{}, 10), nil))
		d.Limits.HandlerTime = time.Second
		check(t, h.Deploy(within(t), d))
		began := time.Now()
		h.calls("f/busy", "unavailable: f/busy did not end in time")
		if took := time.Since(began); took > 480*time.Millisecond {
			t.Errorf("took %v, want 450ms", took)
		}
		check(t, h.Quiesce(within(t)))
		equal(t, "traps of the host", h.Snapshot().Traps, 1)
	})
}

// far is a broker that has the component far/p of another host.
type far struct{ core.Broker }

func (f far) Route(target core.ComponentID) (core.Receiver, error) {
	if target == id("far/p") {
		return f, nil
	}
	return f.Broker.Route(target)
}

func (far) Deliver(m *core.Message) error {
	m.Payload = append([]byte(m.Sender.String()+" "), m.Payload...)
	go m.Origin.Respond(m)
	return nil
}

func TestFunctionOfAnotherHost(t *testing.T) {
	p := allParts[0]
	p.broker = func() (core.Broker, error) {
		broker, err := newInproc()
		return far{broker}, err
	}
	h := p.start(t, provides(map[string]string{"far": "far/p"}))
	h.deployCaller("a/x")
	h.calls("f/far bolt", "ok: a/x bolt")
}

// BenchmarkFunction calls a function in Go.
func BenchmarkFunction(b *testing.B) {
	result := []byte("result")
	h := start(b, host.Config{Functions: map[string]host.Function{
		"f/const": func(context.Context, core.ComponentID, []byte) ([]byte, error) { return result, nil },
	}})
	x := &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		name := []byte("f/const")
		for b.Loop() {
			if _, err := i.env.Functions.CallFunction(name, message); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}
	x.traits.CountsRunningTime = true
	d := callerDeployment(b, "a/x", x)
	d.Limits.HandlerTime = time.Minute
	check(b, h.Deploy(within(b), d))
	h.do("a/x")
}
