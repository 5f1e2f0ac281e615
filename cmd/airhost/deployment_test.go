package main

import (
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
components: [{id: a/b, source: echo, engine: native}]
`), built())
	if err != nil {
		t.Fatal(err)
	}
	want := host.Config{Workers: 3, HeldUpWorkers: 4, RequestTimeout: 6 * time.Second, DrainTimeout: 7 * time.Second, DeadLetters: 8}
	if got := hostConfig(file.Host); got != want {
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
`), built())
	if err != nil {
		t.Fatal(err)
	}
	want := core.Limits{
		Memory: 64 << 10, TableElements: 2, Nesting: 3, Stack: 128 << 10, HandlerTime: 5 * time.Millisecond, HandlerWallTime: 6 * time.Millisecond,
		StartTime: 7 * time.Millisecond, Fuel: 8, Mailbox: 9, MailboxBytes: 10 << 10, Timers: 11, MessageSize: 12, LogLines: 13, LogBytes: 14 << 10,
	}
	if got := limits(file.Components[0]); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
