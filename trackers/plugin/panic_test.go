package plugin

import (
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension/extensiontest"
)

// panics is a tracker that panics at the first request.
type panics struct{ core.Tracker }

func (panics) Register(core.Waiter, time.Duration) (core.RequestID, error) { panic("boom") }

// TestPanicIsTold: the log has the reason for the end of a tracker's process, in one
// record of level ERROR with the stack.
func TestPanicIsTold(t *testing.T) {
	log := extensiontest.NewErrorLog()
	config := childConfig(t, "panics")
	config.Logger, config.Restart.Policy = log.Logger(), core.RestartTemporary
	tracker, err := New(config)
	check(t, err)
	check(t, tracker.Start(within(t)))
	_, err = tracker.Register(new(waiter), time.Hour)
	check(t, err)
	log.WaitForPanic(t, "panic_test.go")
	check(t, tracker.Close())
}
