package core_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// TestLimitsOutOfRange: each field has a range, whose ends are in it, and what is beyond
// it is refused by the key's name.
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

func TestLimitSet(t *testing.T) {
	given := core.Limits{Memory: 1, Fuel: 1, Mailbox: 1, HandlerTime: 1}.Given()
	if given != core.LimitMemory|core.LimitFuel || given.String() != "limits.memory, limits.fuel" {
		t.Errorf("got %q", given)
	}
	all := core.Limits{}.WithDefaults()
	all.Fuel = 1
	if got := all.Given(); got != core.AllLimits || strings.Count(got.String(), ", ") != 5 {
		t.Errorf("got %q, want all", got)
	}
}
