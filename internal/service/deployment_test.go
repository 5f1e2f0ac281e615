package service

import (
	"reflect"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// TestHostConfig: each key of the host that has a place in its configuration gets there.
func TestHostConfig(t *testing.T) {
	file, err := config.Decode("airhost.yaml", []byte(`
host: {workers: 3, held_up_workers: 4, request_timeout: 6s, drain_timeout: 7s, dead_letters: 8}
functions: {price/lookup: {component: a/b, timeout: 9ms, max_concurrent: 10}}
components: [{id: a/b, source: a.wasm}]
budgets: {a: {memory: 1GiB, messages_per_second: 9, burst: 10, running_time: 1500ms}, b: {burst: 2, messages_per_second: 1}}
`), Built())
	if err != nil {
		t.Fatal(err)
	}
	want := host.Config{
		Workers: 3, HeldUpWorkers: 4, RequestTimeout: 6 * time.Second, DrainTimeout: 7 * time.Second, DeadLetters: 8,
		Budgets: map[string]host.Budget{
			"a": {Memory: 1 << 30, MessagesPerSecond: 9, Burst: 10, RunningTime: 1500 * time.Millisecond},
			"b": {MessagesPerSecond: 1, Burst: 2},
		},
		FunctionOptions: map[string]host.FunctionOptions{"price/lookup": {Component: core.MustComponentID("a/b"), Timeout: 9 * time.Millisecond, MaxConcurrent: 10}},
	}
	if got := hostConfig(file); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestLimits: each limit gets to the deployment.
func TestLimits(t *testing.T) {
	file, err := config.Decode("airhost.yaml", []byte(`
components:
  - id: a/b
    source: a.wasm
    limits: {memory: 64KiB, table_elements: 2, nesting: 3, stack: 128KiB, handler_time: 5ms, handler_wall_time: 6ms,
      start_time: 7ms, fuel: 8, mailbox: 9, mailbox_bytes: 10KiB, timers: 11}
    quota: {message_size: 12B}
    logs: {lines_per_second: 13, bytes_per_second: 14KiB}
`), Built())
	if err != nil {
		t.Fatal(err)
	}
	want := core.Limits{
		Memory: 64 << 10, TableElements: 2, Nesting: 3, Stack: 128 << 10, HandlerTime: 5 * time.Millisecond, HandlerWallTime: 6 * time.Millisecond,
		StartTime: 7 * time.Millisecond, Fuel: 8, Mailbox: 9, MailboxBytes: 10 << 10, Timers: 11, MessageSize: 12, LogLines: 13, LogBytes: 14 << 10,
	}
	if got := Limits(file.Components[0]); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestInstances: the number of instances and their spread get into the deployment.
func TestInstances(t *testing.T) {
	file, err := config.Decode("airhost.yaml", []byte(`
components:
  - {id: a/b, source: echo, engine: native, instances: 2, spread: any}
  - {id: a/c, source: echo, engine: native, instances: auto, spread: sender}
  - {id: a/d, source: echo, engine: native}
`), Built())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []host.Deployment{{Instances: 2, Spread: host.SpreadAny}, {Instances: -1, Spread: host.SpreadSender}, {}} {
		got := deployment(file.Components[i])
		if got.Instances != want.Instances || got.Spread != want.Spread {
			t.Errorf("%s: got %d instances, spread %q, want %d, %q", got.ID, got.Instances, got.Spread, want.Instances, want.Spread)
		}
	}
}

// TestRequired: whether a component is required gets into the deployment.
func TestRequired(t *testing.T) {
	file, err := config.Decode("airhost.yaml", []byte(`
components:
  - {id: a/b, source: echo, engine: native, required: true}
  - {id: a/c, source: echo, engine: native}
`), Built())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if got := deployment(file.Components[i]); got.Required != want {
			t.Errorf("%s: got required %v, want %v", got.ID, got.Required, want)
		}
	}
}

// TestDelivery: what keeps the messages of a component gets into the deployment, and into the broker.
func TestDelivery(t *testing.T) {
	file, err := config.Decode("airhost.yaml", []byte(`
host: {broker: nats, nats: {replicas: 3}}
components: [{id: a/b, source: echo, engine: native, delivery: durable, restart: {max_deliver: 7}}]
`), Built())
	if err != nil {
		t.Fatal(err)
	}
	if got := deployment(file.Components[0]); got.Delivery != host.DeliveryDurable || got.Restart.MaxDeliver != 7 {
		t.Errorf("got %q, %d", got.Delivery, got.Restart.MaxDeliver)
	}
	if n := NATS(file).Replicas; n != 3 {
		t.Errorf("%d replicas", n)
	}
}
