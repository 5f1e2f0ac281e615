package config_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/config"
)

func TestDifferences(t *testing.T) {
	old := decode(t, `
defaults: {config: {same: a, gone: b, secret: "${SECRET}"}}
components:
  - id: a/b
    source: a.wasm
    engine: process
    env: {KEY: one, KEPT: x, GONE: y}
    config: {z: 1, token: plain}
    process: {args: ["${SECRET}"]}
    limits: {handler_time: 250ms}
    restart: {cool_down: 90m}
    capabilities: {send: [a/b, "*"], publish: ["a.*"]}
    subscribe: [a.b, {topic: ">", queue: q}]
`)
	next := decode(t, `
components:
  - id: a/b
    source: b.wasm
    engine: process
    sha256: 000000000000000000000000000000000000000000000000000000000000000f
    instances: auto
    env: {KEY: two, KEPT: x, NEW: z}
    config: {same: a, secret: other, z: 1, token: "${SECRET}", new: ""}
    process: {args: [x], memory: 1GiB}
    limits: {start_time: 1m, mailbox: 5}
    accept: {messages_per_second: 5}
    capabilities: {request: [a/b]}
    subscribe: [{topic: a.b}, "${SECRET}"]
    required: true
`)
	want := []config.Difference{
		{"source", "a.wasm", "b.wasm"},
		{"sha256", "-", "000000000000000000000000000000000000000000000000000000000000000f"},
		{"instances", "1", "auto"},
		{"process.args", "…", "…"},
		{"process.memory", "-", "1GiB"},
		{"env.KEY", "…", "…"},
		{"env.GONE", "…", "-"},
		{"env.NEW", "-", "…"},
		{"config.gone", "…", "-"},
		{"config.secret", "…", "…"},
		{"config.token", "…", "…"},
		{"config.new", "-", "…"},
		{"capabilities.send", "[a/b, *]", "-"},
		{"capabilities.request", "-", "[a/b]"},
		{"capabilities.publish", "[a.*]", "-"},
		{"subscribe", "{topic: >, queue: q}", "-"},
		{"subscribe", "-", "{topic: …}"},
		{"limits.start_time", "10s", "1m"},
		{"limits.mailbox", "1024", "5"},
		{"accept.messages_per_second", "0", "5"},
		{"restart.cool_down", "1h30m", "5m"},
		{"required", "false", "true"},
	}
	if diff := cmp.Diff(want, config.Differences(&old.Components[0], &next.Components[0])); diff != "" {
		t.Errorf("differences, want -, got +:\n%s", diff)
	}
	if got := config.Differences(&old.Components[0], &old.Components[0]); got != nil {
		t.Errorf("a component differs from itself: %v", got)
	}
	first, second := decode(t, "components: [{id: a/b, source: a.wasm, config: {a: 1, b: 2}}]"), decode(t, "components: [{id: a/b, source: a.wasm, config: {b: 2, a: 1}}]")
	want = []config.Difference{{"config", "in the order [a, b]", "in the order [b, a]"}}
	if diff := cmp.Diff(want, config.Differences(&first.Components[0], &second.Components[0])); diff != "" {
		t.Errorf("order, want -, got +:\n%s", diff)
	}
}

// TestWayDifferences: routes and schedules that go and that come are shown as they are written, but
// for the values of variables.
func TestWayDifferences(t *testing.T) {
	const text = "gateway: {http: {listen: '127.0.0.1:%s', routes: [%s]}}\nschedules: [%s]\ncomponents: [{id: a/b, source: a.wasm}]"
	old := decode(t, fmt.Sprintf(text, "80", "{path: /a, target: a/b}, {path: /b, methods: [GET], target: a/b, timeout: 2s}", "{every: 1h, target: a/b}"))
	next := decode(t, fmt.Sprintf(text, "81", "{path: /b, methods: [PUT], target: a/b}, {path: /a, target: a/b}", "{every: 1h, target: a/b, data: '${SECRET}'}"))
	want := []config.Difference{
		{"listen", "127.0.0.1:80", "127.0.0.1:81"},
		{"routes", "{path: /b, methods: [GET], target: a/b, timeout: 2s}", "-"},
		{"routes", "-", "{path: /b, methods: [PUT], target: a/b}"},
	}
	if diff := cmp.Diff(want, config.GatewayDifferences(old, next)); diff != "" {
		t.Errorf("gateway, want -, got +:\n%s", diff)
	}
	want = []config.Difference{{"schedules", "{every: 1h, target: a/b}", "-"}, {"schedules", "-", "{every: 1h, target: a/b, data: …}"}}
	if diff := cmp.Diff(want, config.ScheduleDifferences(old, next)); diff != "" {
		t.Errorf("schedules, want -, got +:\n%s", diff)
	}
	swapped := decode(t, fmt.Sprintf(text, "80", "{path: /b, methods: [GET], target: a/b, timeout: 2s}, {path: /a, target: a/b}", ""))
	want = []config.Difference{{"routes", "2", "2, in another order, or with other hidden values"}}
	if diff := cmp.Diff(want, config.GatewayDifferences(old, swapped)); diff != "" {
		t.Errorf("order, want -, got +:\n%s", diff)
	}
}
