package trackertest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// broken says which faults each promise's case must find.
var broken = map[string][]fault{
	"timeout-range":      {"takes a timeout of 0", "takes any timeout", "keeps what it refuses", "begins with 0"},
	"resolve":            {"resolves twice", "resolves another", "lets timers run"},
	"cancel":             {"cancels for anyone", "ends what it does not cancel", "cancels what is finished", "lets timers run"},
	"remove":             {"removes all", "removes half", "removes nothing", "keeps ids to itself", "lets timers run"},
	"made-up-ids":        {"resolves by the low bits", "cancels what is finished"},
	"ids-not-reused":     {"reuses ids"},
	"late-answers":       {"reuses finished ids"},
	"pending":            {"counts all there were"},
	"never-early":        {"expires early"},
	"at-most-2ms-late":   {"expires late", "forgets long timeouts"},
	"after-rest":         {"oversleeps"},
	"longest-timeout":    {"takes long for short"},
	"expired-has-left":   {"expires what is still there", "expires twice"},
	"expired-calls-back": {"expires under its lock"},
	"no-blocking":        {"expires under its lock"},
	"hundred-thousand":   {"reuses ids", "expires twice", "forgets long timeouts"},
	"exactly-once":       {"expires twice", "removes nothing", "resolves twice"},
	"closed-forgets":     {"expires after close", "remembers after close"},
	"closed-refuses":     {"registers after close"},
	"close-waits":        {"does not wait for Expired"},
	"no-goroutine-left":  {"leaves goroutines"},
}

func TestSuiteFailsBrokenTrackers(t *testing.T) {
	for _, p := range promises {
		if len(broken[p.name]) == 0 {
			t.Errorf("no broken tracker for promise %q", p.name)
		}
		for _, fault := range broken[p.name] {
			t.Run(p.name+"/"+strings.ReplaceAll(string(fault), " ", "-"), func(t *testing.T) {
				failure := watch(t, p, func() (core.Tracker, error) { return newReference(fault), nil })
				for _, part := range []string{p.text, "got: ", "want: "} {
					if !strings.Contains(failure, part) {
						t.Errorf("the case said %q, want it to fail and to say %q", failure, part)
					}
				}
			})
		}
	}
}

func TestSuiteReportsATrackerThatCannotBeMade(t *testing.T) {
	got := watch(t, promises[0], func() (core.Tracker, error) { return nil, fmt.Errorf("no memory") })
	if !strings.Contains(got, "no memory") {
		t.Errorf("got %q, want the reason", got)
	}
}

func TestSuitePassesACorrectTracker(t *testing.T) {
	Run(t, func() (core.Tracker, error) { return newReference("none"), nil })
}

func TestSuitePassesACorrectTrackerOutside(t *testing.T) {
	RunOutside(t, func() (core.Tracker, error) { return newReference("none"), nil })
}

// watch runs a case, in a bubble, where waiting takes no time, and returns what
// it failed with.
func watch(t *testing.T, p promise, newTracker func() (core.Tracker, error)) string {
	var r recorder
	synctest.Test(t, func(*testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.verify(&r, newTracker, synctest.Wait)
		}()
		<-done
		<-time.After(25 * time.Hour) // for goroutines and timers that a fault has left
	})
	return r.failure
}

// recorder is a test that only notes its first failure.
type recorder struct{ failure string }

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
	runtime.Goexit()
}
