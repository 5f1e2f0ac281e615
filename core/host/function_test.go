package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// call calls a function, and returns its result or error as a text.
func (i *toyInstance) call(name, argument string) string {
	result, err := i.env.Functions.CallFunction([]byte(name), []byte(argument))
	if err != nil {
		return err.Error()
	}
	return "ok: " + string(result)
}

// caller is a component that calls the function that a message names, before a space, with
// the rest of the message, and answers with the result or the error.
func caller() *toy {
	return &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		name, argument, _ := strings.Cut(string(message), " ")
		return []byte(i.call(name, argument)), nil
	}}
}

// callerDeployment grants all functions of the namespace f.
func callerDeployment(t testing.TB, name string, component *toy) host.Deployment {
	d := toyDeployment(name, component)
	d.Capabilities.Call = grant(t, "f/*")
	return d
}

func (h *testHost) deployCaller(name string) {
	h.t.Helper()
	check(h.t, h.Deploy(within(h.t), callerDeployment(h.t, name, caller())))
}

// calls checks the answer of the caller a/x.
func (h *testHost) calls(message, want string) {
	h.t.Helper()
	got, err := h.request("a/x", message)
	check(h.t, err)
	contains(h.t, message, got, want)
}

func upper(_ context.Context, caller core.ComponentID, argument []byte) ([]byte, error) {
	return []byte(caller.String() + " " + strings.ToUpper(string(argument))), nil
}

func TestFunction(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Functions: map[string]host.Function{
			"f/upper": upper,
			"g/upper": upper,
			"f/fails": func(context.Context, core.ComponentID, []byte) ([]byte, error) { return nil, errors.New("no price") },
			"f/panics": func(context.Context, core.ComponentID, []byte) ([]byte, error) {
				panic("no price list")
			},
			"f/large": func(context.Context, core.ComponentID, []byte) ([]byte, error) { return make([]byte, 1000), nil },
			"f/long": func(context.Context, core.ComponentID, []byte) ([]byte, error) {
				return nil, errors.New(strings.Repeat("x", 1<<20))
			},
		}})
		d := callerDeployment(t, "a/x", caller())
		d.Limits.MessageSize = 100
		check(t, h.Deploy(within(t), d))
		h.calls("f/upper bolt", "ok: a/x BOLT")
		h.calls("f/upper nut", "ok: a/x NUT")
		h.calls("g/upper bolt", "denied: g/upper")
		h.calls("g/none bolt", "denied: g/none")
		h.calls("f/none bolt", "not-found: f/none")
		h.calls("upper bolt", "not-found: the name of a function is like an id")
		h.calls("f/fails", "failed: no price")
		h.calls("f/panics", "failed: panic: no price list")
		h.calls("f/large", "failed: the result of f/large has 1000 bytes")
		if got, _ := h.request("a/x", "f/long"); len(got) > core.MaxErrorText+100 {
			t.Errorf("an error's text of %d bytes", len(got))
		}
		contains(t, "the log", h.log.String(), "a function panicked")
		contains(t, "the log", h.log.String(), "function_test.go") // in the stack
		h.balance()
	})
}

func TestFunctionArgumentTooLarge(t *testing.T) {
	h := start(t, host.Config{Functions: map[string]host.Function{"f/upper": upper}})
	large := caller()
	large.answer = func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		return []byte(i.call("f/upper", strings.Repeat("x", 101))), nil
	}
	d := callerDeployment(t, "a/x", large)
	d.Limits.MessageSize = 100
	check(t, h.Deploy(within(t), d))
	h.calls("", "unavailable: quota.message_size")
}

func TestFunctionsOfConfig(t *testing.T) {
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	for _, mistake := range []struct {
		config host.Config
		want   string
	}{
		{host.Config{Functions: map[string]host.Function{"upper": upper}}, `invalid`},
		{host.Config{Functions: map[string]host.Function{"f/upper": nil}}, `the function "f/upper" is nil`},
		{host.Config{FunctionOptions: map[string]host.FunctionOptions{"f/upper": {Timeout: time.Second}}}, "there is no function of this name"},
		{host.Config{Functions: map[string]host.Function{"f/upper": upper},
			FunctionOptions: map[string]host.FunctionOptions{"f/upper": {Component: id("a/x")}}}, "is in Functions as well"},
		{host.Config{FunctionOptions: map[string]host.FunctionOptions{"f/upper": {Component: core.HostID}}}, "is the host's own"},
		{host.Config{FunctionOptions: map[string]host.FunctionOptions{"f/upper": {Component: id("a/x"), Timeout: -1}}}, "Timeout is -1ns"},
		{host.Config{FunctionOptions: map[string]host.FunctionOptions{"f/upper": {Component: id("a/x"), MaxConcurrent: -1}}}, "MaxConcurrent is -1"},
	} {
		_, err := host.New(mistake.config, broker, tracker)
		if err == nil {
			t.Errorf("no error, want %q", mistake.want)
			continue
		}
		contains(t, "the error", err.Error(), mistake.want)
	}
}
