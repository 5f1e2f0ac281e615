package core_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

func TestLimitsDefaults(t *testing.T) {
	want := core.Limits{
		Memory: 32 << 20, TableElements: 10_000, Nesting: 10_000, Stack: 1 << 20, HandlerTime: 250 * time.Millisecond,
		HandlerWallTime: 2500 * time.Millisecond, StartTime: 10 * time.Second,
		Mailbox: 1024, MailboxBytes: 64 << 20, Timers: 100, MessageSize: 1 << 20, LogLines: 1000, LogBytes: 1 << 20,
	}
	if got := (core.Limits{}).WithDefaults(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	set := core.Limits{Memory: 1, TableElements: 2, Nesting: 11, HandlerTime: 3, HandlerWallTime: 7, StartTime: 8, Fuel: 4, Mailbox: 5, MessageSize: 6, MailboxBytes: 9, Stack: 10, LogLines: 12, LogBytes: 13, Timers: 14}
	if got := set.WithDefaults(); got != set {
		t.Errorf("got %+v, want %+v", got, set)
	}
	if got := (core.Limits{HandlerTime: 1 << 62}).WithDefaults().HandlerWallTime; got < 1<<62 {
		t.Errorf("the wall time of calls that may run for ever is %v", got)
	}
}

// TestLimitsOutOfRange: each field has a range that includes its ends, and the error
// for a value outside names the key.
func TestLimitsOutOfRange(t *testing.T) {
	for key, of := range map[string]struct {
		set         func(l *core.Limits, value int64)
		least, most int64
	}{
		"limits.memory":            {func(l *core.Limits, v int64) { l.Memory = v }, 64 << 10, 4 << 30},
		"limits.stack":             {func(l *core.Limits, v int64) { l.Stack = v }, 64 << 10, 16 << 20},
		"limits.handler_time":      {func(l *core.Limits, v int64) { l.HandlerTime = time.Duration(v) }, 1e6, int64(240 * time.Hour)},
		"limits.handler_wall_time": {func(l *core.Limits, v int64) { l.HandlerWallTime = time.Duration(v) }, 1e6, int64(240 * time.Hour)},
		"limits.start_time":        {func(l *core.Limits, v int64) { l.StartTime = time.Duration(v) }, 1e6, int64(24 * time.Hour)},
		"limits.mailbox":           {func(l *core.Limits, v int64) { l.Mailbox = int(v) }, 1, 1 << 20},
		"limits.mailbox_bytes":     {func(l *core.Limits, v int64) { l.MailboxBytes = v }, 257, 1 << 40},
		"limits.timers":            {func(l *core.Limits, v int64) { l.Timers = int(v) }, 1, 1 << 20},
		"quota.message_size":       {func(l *core.Limits, v int64) { l.MessageSize = int(v) }, 1, 1 << 30},
	} {
		for _, value := range []int64{0, of.least, of.most, of.least - 1, of.most + 1, -1, math.MinInt64, math.MaxInt64} {
			var limits core.Limits
			of.set(&limits, value)
			err := limits.Check()
			inside := value == 0 || of.least <= value && value <= of.most
			if inside != (err == nil) || !inside && (!errors.Is(err, core.ErrOutOfRange) || !strings.HasPrefix(err.Error(), key+" is ")) {
				t.Errorf("%s of %d: got %v", key, value, err)
			}
		}
	}
	if err := (core.Limits{}).WithDefaults().Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
