package service

import (
	"errors"
	"strings"
	"testing"

	"github.com/airhost/airhost/admin"
)

// TestBadConfigurations applies bad configurations to a running host: nothing changes, and each
// answer has the place.
func TestBadConfigurations(t *testing.T) {
	f := newFolder(t)
	const good = "{id: a/b, source: echo, engine: native}"
	s := f.serve("host: {workers: 2}\ncomponents: [" + good + "]")
	for _, guest := range []string{"truncated.wasm", "wrong.wasm", "greedy.wasm", "component.wasm"} {
		f.guest(guest, guest)
	}
	f.write("notes.txt", "no guest at all")
	const host = "host: {workers: 2}\n"
	for name, c := range map[string]struct{ text, place, says string }{
		"no YAML":                       {"components: [", "airhost.yaml:1:13", "not YAML"},
		"empty":                         {"", "airhost.yaml", "the file is empty"},
		"a tab":                         {"components:\n\t- {}", "airhost.yaml:2:1", "a tab"},
		"no UTF-8":                      {"components: [\xff]", "airhost.yaml:1:14", "not UTF-8"},
		"two documents":                 {"a: 1\n---\nb: 2\n", "airhost.yaml:3:1", "second document"},
		"an unknown key":                {"component: []\n", "airhost.yaml:1:1", "unknown key"},
		"a key in the wrong place":      {host + "components: [{id: a/b, source: echo, engine: native, memory: 1MiB}]", "airhost.yaml:2:54", "belongs to"},
		"a former key":                  {host + "components: [{id: a/b, source: echo, engine: native, process: {start_timeout: 1s}}]", "airhost.yaml:2:64", "limits.start_time"},
		"a key given twice":             {host + "components: [{id: a/b, id: a/c, source: echo, engine: native}]", "airhost.yaml:2:24", "given twice"},
		"a missing key":                 {host + "components: [{id: a/b}]", "airhost.yaml:2:14", `"source" is missing`},
		"a wrong type":                  {host + "components: [{id: a/b, source: echo, engine: native, limits: {mailbox: many}}]", "airhost.yaml:2:72", "whole number"},
		"a wrong unit":                  {host + "components: [{id: a/b, source: echo.wasm, limits: {memory: 32MX}}]", "airhost.yaml:2:60", "memory"},
		"out of range":                  {host + "components: [{id: a/b, source: echo.wasm, limits: {memory: 8GiB}}]", "airhost.yaml:2:60", "out of range"},
		"no id":                         {host + "components: [{id: A/b, source: echo.wasm}]", "airhost.yaml:2:19", "id"},
		"an id of the host's":           {host + "components: [{id: airhost/b, source: echo.wasm}]", "airhost.yaml:2:19", "the host's own"},
		"an id twice":                   {host + "components: [" + good + ", " + good + "]", "airhost.yaml:2:60", "id of another component"},
		"an unknown engine":             {host + "components: [{id: a/b, source: echo, engine: v8}]", "airhost.yaml:2:46", "unknown engine"},
		"an unknown native component":   {host + "components: [{id: a/b, source: ecko, engine: native}]", "airhost.yaml:2:32", "did you mean"},
		"no such file":                  {host + "components: [" + good + ", {id: a/c, source: none.wasm}]", "airhost.yaml:2:73", "no such file"},
		"a folder":                      {host + "components: [" + good + ", {id: a/c, source: .}]", "airhost.yaml:2:73", "this is a directory"},
		"no WebAssembly":                {host + "components: [" + good + ", {id: a/c, source: notes.txt}]", "airhost.yaml:2:73", "not a WebAssembly binary"},
		"a truncated module":            {host + "components: [" + good + ", {id: a/c, source: truncated.wasm}]", "airhost.yaml:2:73", "malformed WebAssembly"},
		"a module without the contract": {host + "components: [" + good + ", {id: a/c, source: wrong.wasm}]", "airhost.yaml:2:73", "export memory is missing"},
		"a module above its limits":     {host + "components: [" + good + ", {id: a/c, source: greedy.wasm}]", "airhost.yaml:2:73", "limits.memory"},
		"a component without exports":   {host + "components: [" + good + ", {id: a/c, source: component.wasm}]", "airhost.yaml:2:73", "it does not export airhost:core/component-lifecycle@0.1.0"},
		"limits that contradict":        {host + "components: [{id: a/b, source: echo.wasm, limits: {handler_time: 2s, handler_wall_time: 1s}}]", "airhost.yaml:2:89", "shorter than handler_time"},
		"a limit of another engine":     {host + "components: [{id: a/b, source: echo, engine: native, limits: {fuel: 9}}]", "airhost.yaml:2:69", "WebAssembly alone"},
		"a budget that is too small":    {host + "budgets: {a: {memory: 1MiB}}\ncomponents: [{id: a/b, source: echo.wasm}]", "airhost.yaml:2:23", "is less than"},
		"a key that needs a restart":    {"host: {workers: 3}\ncomponents: [" + good + "]", "airhost.yaml:1:17", "restart airhost"},
		"a time zone":                   {host + "schedules: [{cron: '@daily', timezone: Mars/Base, target: a/b}]\ncomponents: [" + good + "]", "airhost.yaml:2:40", "no time zone"},
		"a cron expression":             {host + "schedules: [{cron: '* *', target: a/b}]\ncomponents: [" + good + "]", "airhost.yaml:2:13", "cron is"},
		"routes that contradict":        {host + "gateway: {http: {listen: ':0', routes: [{path: '/{a}', target: a/b}, {path: '/{b}', target: a/b}]}}\ncomponents: [" + good + "]", "airhost.yaml:2:70", `pattern "/{b}" conflicts with pattern "/{a}"`},
		"a function without a provider": {host + "functions: {a/f: {component: a/x}}\ncomponents: [" + good + "]", "airhost.yaml:2:", "no component a/x"},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			f.write("airhost.yaml", c.text)
			_, err := s.Apply(t.Context(), admin.ApplyRequest{}, func(admin.Progress) {})
			var refused *admin.Error
			if !errors.As(err, &refused) || refused.Code != admin.CodeInvalidConfiguration || refused.Place == nil {
				t.Fatalf("got %v", err)
			}
			if text := refused.Error(); !strings.Contains(text, c.place) || !strings.Contains(text, c.says) {
				t.Errorf("got %s, want %s and %q", text, c.place, c.says)
			}
			if got, err := answers(s, "a/b", "x"); got != "x" || err != nil {
				t.Errorf("the component that runs: got %q, %v", got, err)
			}
			if n := s.Components(); len(n) != 1 || n[0].Engine != "native" || len(s.Failed()) > 0 {
				t.Errorf("the host has changed: %+v", n)
			}
		})
	}
}
