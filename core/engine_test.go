package core_test

import (
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

func TestLimitsDefaults(t *testing.T) {
	want := core.Limits{
		Memory: 32 << 20, TableElements: 10_000, Nesting: 10_000, Stack: 1 << 20, HandlerTime: 250 * time.Millisecond,
		HandlerWallTime: 2500 * time.Millisecond, StartTime: 10 * time.Second,
		Mailbox: 1024, MailboxBytes: 64 << 20, MessageSize: 1 << 20, LogLines: 1000, LogBytes: 1 << 20,
	}
	if got := (core.Limits{}).WithDefaults(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	set := core.Limits{Memory: 1, TableElements: 2, Nesting: 11, HandlerTime: 3, HandlerWallTime: 7, StartTime: 8, Fuel: 4, Mailbox: 5, MessageSize: 6, MailboxBytes: 9, Stack: 10, LogLines: 12, LogBytes: 13}
	if got := set.WithDefaults(); got != set {
		t.Errorf("got %+v, want %+v", got, set)
	}
	if got := (core.Limits{HandlerTime: 1 << 62}).WithDefaults().HandlerWallTime; got < 1<<62 {
		t.Errorf("the wall time of calls that may run for ever is %v", got)
	}
}

func TestHealthStatus(t *testing.T) {
	for i, name := range []string{"healthy", "degraded", "unhealthy"} {
		if s := core.HealthStatus(i); !s.Valid() || s.String() != name {
			t.Errorf("status %d: got %q, valid %t, want %q", i, s, s.Valid(), name)
		}
	}
	if s := core.HealthStatus(3); s.Valid() || s.String() != "invalid" {
		t.Errorf("status 3: got %q, valid %t", s, s.Valid())
	}
}

func TestLogLevel(t *testing.T) {
	for i, name := range []string{"trace", "debug", "info", "warn", "error"} {
		if l := core.LogLevel(i); !l.Valid() || l.String() != name {
			t.Errorf("level %d: got %q, valid %t, want %q", i, l, l.Valid(), name)
		}
	}
	if l := core.LogLevel(5); l.Valid() || l.String() != "invalid" {
		t.Errorf("level 5: got %q, valid %t", l, l.Valid())
	}
}
