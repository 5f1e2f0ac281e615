package plugin

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// asks is a component that calls a function for each message, and one after its end.
type asks struct {
	host    guest.Host
	results [][]byte
	errs    []error
}

func (a *asks) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	a.host = h
	a.call("shop/\xffprice", message)
	return nil, nil
}

func (a *asks) call(function string, argument []byte) {
	result, err := a.host.Call(function, argument)
	a.results, a.errs = append(a.results, result), append(a.errs, err)
}

// functionsOf runs a component that calls a function for each of some messages.
func functionsOf(t *testing.T, frames ...[]byte) (*asks, []*pluginv1.Event) {
	t.Helper()
	a, s := new(asks), &script{frames: frames}
	if err := newSession(&componentServer{component: a}, s).run(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	a.call("shop/price", nil)
	return a, s.events(t)
}

// TestFunctionsOfHost: a plug-in asks a host that has functions, and is answered. What is
// too large is cut: the host refuses it for its size alone.
func TestFunctionsOfHost(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 1100)
	a, events := functionsOf(t,
		startOf(&pluginv1.Start{ComponentId: "a/b", MessageSize: 1000, Functions: true}),
		frame.AppendMessage(nil, 2, "a/b", []byte("tea"), true),
		frame.AppendAnswer(nil, &pluginv1.Answer{Result: []byte("7")}),
		frame.AppendMessage(nil, 3, "a/b", large, true),
		frame.AppendAnswer(nil, &pluginv1.Answer{CallError: &pluginv1.CallError{Case: pluginv1.CallError_CASE_FAILED, Text: "why"}}),
		frame.AppendMessage(nil, 4, "a/b", nil, true),
		frame.AppendAnswer(nil, &pluginv1.Answer{}),
	)
	if len(a.results) != 4 || string(a.results[0]) != "7" || a.errs[0] != nil || len(a.results[2]) != 0 || a.errs[2] != nil {
		t.Fatalf("got %q, %v", a.results, a.errs)
	}
	if !errors.Is(a.errs[1], &guest.CallError{Case: guest.CallFailed, Text: "why"}) {
		t.Errorf("a function that failed: %v", a.errs[1])
	}
	if !errors.Is(a.errs[3], &guest.CallError{Case: guest.CallUnavailable, Text: errNoHost.Text}) {
		t.Errorf("after the end: %v", a.errs[3])
	}
	if len(events) != 3 || events[0].GetCallFunction().GetName() != "shop/\uFFFDprice" || string(events[0].GetCallFunction().GetArgument()) != "tea" ||
		len(events[1].GetCallFunction().GetArgument()) != 1001 {
		t.Errorf("the host got %v", events)
	}
}

// TestNoFunctionsOfHost: a host that does not know functions is not asked for them.
func TestNoFunctionsOfHost(t *testing.T) {
	a, events := functionsOf(t, start(true), frame.AppendMessage(nil, 2, "a/b", nil, true))
	if !errors.Is(a.errs[0], guest.ErrCallUnavailable) || len(events) > 0 {
		t.Errorf("got %v, the host got %v", a.errs, events)
	}
}

// TestHostGoneInFunction: the stream ends while a function is called.
func TestHostGoneInFunction(t *testing.T) {
	a, _ := functionsOf(t,
		startOf(&pluginv1.Start{ComponentId: "a/b", MessageSize: 1000, Functions: true}),
		frame.AppendMessage(nil, 2, "a/b", nil, true))
	if !errors.Is(a.errs[0], &guest.CallError{Case: guest.CallUnavailable, Text: errNoHost.Text}) {
		t.Errorf("got %v", a.errs)
	}
}
