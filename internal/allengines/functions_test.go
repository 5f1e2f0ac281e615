package allengines

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/core/host"
)

// functionHost is a host of two of the suite's actors, t/a and t/b, each of which provides
// a function: t/fa and t/fb.
func functionHost(t *testing.T, engines ...string) *host.Host {
	t.Helper()
	house := newHouse(t)
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	var all []core.Engine
	for _, name := range slices.Compact(slices.Sorted(slices.Values(engines))) {
		all = append(all, house.engine(name))
	}
	h, err := host.New(host.Config{
		Workers: 1, Functions: goFunctions,
		FunctionOptions: map[string]host.FunctionOptions{"t/fa": {Component: id("t/a")}, "t/fb": {Component: id("t/b")}},
	}, broker, tracker, all...)
	check(t, err)
	check(t, h.Start(t.Context()))
	t.Cleanup(func() { check(t, h.Stop(context.Background())) })
	every := patterns("*")
	for i, name := range []string{"t/a", "t/b"} {
		engine := engines[i%len(engines)]
		if engine == interpreter {
			engine = wazero.Name
		}
		check(t, h.Deploy(within(t), host.Deployment{
			ID: id(name), Engine: engine, Source: core.Source{Code: enginetest.ActorWasm().Code},
			Capabilities: host.Capabilities{Send: every, Request: every, Call: every},
			Limits:       core.Limits{HandlerTime: time.Minute},
		}))
	}
	return h
}

func functionEnginesOf() map[string][]string {
	all := map[string][]string{"wazero": {wazero.Name}, "interpreter": {interpreter}}
	if wasmtime.Available {
		all["wasmtime"], all["both"] = []string{wasmtime.Name}, []string{wasmtime.Name, wazero.Name}
	}
	return all
}

// called is an actor's message that calls a function.
func called(name, argument string) string { return "j" + string(rune(len(name))) + name + argument }

// TestFunctionOfPeer: a calls b by requests, one after the other, so that both are in an
// exchange or chain. b calls a function that a provides, within each request. The exchange
// ends before, and a is called within b's call.
func TestFunctionOfPeer(t *testing.T) {
	for name, engines := range functionEnginesOf() {
		t.Run(name, func(t *testing.T) {
			h := functionHost(t, engines...)
			for n := range 20 {
				text := fmt.Sprintf("hello %d", n)
				ask := "r" + strings.Repeat("\x00", 8) + "\x03t/b" + called("t/fa", "e"+text)
				answer, err := h.Request(within(t), id("t/a"), []byte(ask))
				check(t, err)
				if answer[0] != 0 {
					t.Fatalf("the request was refused: %q", answer)
				}
				check(t, h.Quiesce(within(t)))
				told, err := h.Request(within(t), id("t/a"), []byte("k"))
				check(t, err)
				if want := "\x00\x00" + text; string(told[8:]) != want {
					t.Fatalf("request %d: the callback got %q, want %q", n, told[8:], want)
				}
			}
			answer, err := h.Request(within(t), id("t/a"), []byte(called("t/fb", called("t/fa", "ex"))))
			check(t, err)
			if !strings.HasPrefix(string(answer), "\x00\x01"+string(rune(core.CallUnavailable))) {
				t.Errorf("a ring of two: got %q, want unavailable", answer)
			}
		})
	}
}

// TestFunctionsOfHost: functions in Go and of components, on every engine.
func TestFunctionsOfHost(t *testing.T) {
	for name, engines := range functionEnginesOf() {
		t.Run(name, func(t *testing.T) {
			h := functionHost(t, engines...)
			for _, c := range []struct{ call, want string }{
				{called("t/echo", "x"), "\x00t/a told x"},
				{called("t/fails", "why"), "\x01\x02why"},
				{called("t/none", ""), "\x01\x01t/none"},
				{called("t/fb", "e"+strings.Repeat("large", 20_000)), "\x00" + strings.Repeat("large", 20_000)},
				{called("t/fb", "w"), "\x00t/a"},
				{called("t/fb", "f\x02no"), "\x01\x02no"},
				{called("t/fb", called("t/echo", "y")), "\x00\x00t/b told y"},
			} {
				answer, err := h.Request(within(t), id("t/a"), []byte(c.call))
				if string(answer) != c.want || err != nil {
					t.Errorf("%.20q: got %.40q, %v, want %.40q", c.call, answer, err, c.want)
				}
			}
			answer, err := h.Request(within(t), id("t/a"), []byte(called("t/fb", "x")))
			if !strings.HasPrefix(string(answer), "\x01\x02trapped") || err != nil {
				t.Errorf("a provider that traps: got %q, %v", answer, err)
			}
		})
	}
}
