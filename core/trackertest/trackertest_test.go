package trackertest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// broken lists the faults that the case of each promise must find.
var broken = map[string][]fault{
	"timeout-range":      {"takes a timeout of 0", "takes any timeout", "keeps refused requests", "begins with 0"},
	"resolve":            {"resolves twice", "resolves another", "lets timers run"},
	"cancel":             {"cancels for anyone", "ends requests of others", "cancels ended requests", "lets timers run"},
	"remove":             {"removes all", "removes half", "removes nothing", "keeps ids to itself", "lets timers run"},
	"made-up-ids":        {"resolves by the low bits", "cancels ended requests"},
	"ids-not-reused":     {"reuses ids"},
	"late-answers":       {"reuses finished ids"},
	"is-pending":         {"has nothing pending", "has all pending"},
	"pending":            {"counts all there were"},
	"never-early":        {"expires early"},
	"at-most-2ms-late":   {"expires late", "forgets long timeouts"},
	"after-rest":         {"oversleeps"},
	"longest-timeout":    {"takes long for short"},
	"expired-has-left":   {"expires before it removes", "expires twice"},
	"expired-by-timeout": {"expires for another reason"},
	"expired-calls-back": {"expires under its lock"},
	"no-blocking":        {"expires under its lock"},
	"hundred-thousand":   {"reuses ids", "expires twice", "forgets long timeouts"},
	"exactly-once":       {"expires twice", "removes nothing", "resolves twice"},
	"closed-forgets":     {"expires after close", "remembers after close"},
	"closed-refuses":     {"registers after close"},
	"close-waits":        {"does not wait for Expired"},
	"no-goroutine-left":  {"leaves goroutines"},

	"reserved-is-not-pending": {"makes reserved ids pending", "counts reserved ids", "cancels ended requests", "expires reserved ids"},
	"register-reserved":       {"registers under another id", "reserves nothing next", "reserves the same next", "lets timers run"},
	"reserved-ids-differ":     {"reserves pending ids", "reserves one for all", "gives away reserved ids"},
	"reserved-removed":        {"keeps reserved ids", "removes reserved ids", "gives back all", "expires reserved ids"},
	"reserve":                 {"reserves only the first", "replaces by the same", "keeps replaced ids", "makes replaced ids pending", "does not reserve anew"},
	"reserve-not-reserved":    {"replaces any id", "gives back the rest", "takes another's"},
	"not-reserved":            {"takes another's", "takes used ids", "takes any id", "gives back refused ids"},
	"reserved-timeout-range":  {"takes a reserved timeout of 0", "takes any reserved timeout", "gives back refused ids"},
	"reserved-expires":        {"expires early", "expires late", "expires twice", "expires reserved ids", "forgets long timeouts"},
	"reserved-closed":         {"reserves after close", "registers after close"},
}

func TestSuiteFailsBrokenTrackers(t *testing.T) {
	for _, p := range slices.Concat(promises, reserverPromises) {
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

// TestSuiteAsksOnlyReserversToReserve: a tracker need not be a Reserver.
func TestSuiteAsksOnlyReserversToReserve(t *testing.T) {
	plain := func() (core.Tracker, error) { return struct{ core.Tracker }{newReference("none")}, nil }
	reserver := func() (core.Tracker, error) { return newReference("none"), nil }
	if got := len(promisesOf(t, plain)); got != len(promises) {
		t.Errorf("got %d promises of a tracker that does not reserve, want %d", got, len(promises))
	}
	if got, want := len(promisesOf(t, reserver)), len(promises)+len(reserverPromises); got != want {
		t.Errorf("got %d promises of one that does, want %d", got, want)
	}
}

func TestSuitePassesACorrectTrackerOutside(t *testing.T) {
	RunOutside(t, func() (core.Tracker, error) { return newReference("none"), nil })
}

// watch runs a case in a bubble, where waiting takes no time, and returns the text of
// its failure.
func watch(t *testing.T, p promise, newTracker func() (core.Tracker, error)) string {
	var r recorder
	synctest.Test(t, func(*testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.verify(&r, newTracker, synctest.Wait)
		}()
		<-done
		<-time.After(25 * time.Hour) // until goroutines and timers that a fault has left end
	})
	return r.failure
}

// recorder is a reporter that records the first failure.
type recorder struct{ failure string }

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
	runtime.Goexit()
}
