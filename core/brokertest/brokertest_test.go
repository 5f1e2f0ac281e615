package brokertest

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
var broken = []struct {
	promise string
	fault   fault
	direct  bool
}{
	{promise: "arrives", fault: "drops the correlation"},
	{promise: "arrives", fault: "duplicates"},
	{promise: "arrives", fault: "fails to open"},
	{promise: "right-target", fault: "misroutes"},
	{promise: "order", fault: "reorders"},
	{promise: "answers", fault: "drops the origin"},
	{promise: "attached-once", fault: "attaches twice"},
	{promise: "detach-unknown", fault: "detaches another"},
	{promise: "detach-undoes", fault: "does not detach"},
	{promise: "unknown-target", fault: "routes anywhere"},
	{promise: "unknown-target", fault: "says unavailable for unknown"},
	{promise: "stale-route", fault: "loses messages of stale routes"},
	{promise: "stale-route", fault: "forgets why it is gone"},
	{promise: "stale-route", fault: "follows the id"},
	{promise: "very-receiver", fault: "wraps", direct: true},
	{promise: "refusal-told", fault: "drops refused messages"},
	{promise: "refusal-told", fault: "gives no reason"},
	{promise: "refused-unchanged", fault: "changes refused messages"},
	{promise: "refused-unchanged", fault: "keeps refused messages"},
	{promise: "left-alone", fault: "releases delivered messages"},
	{promise: "never-blocks", fault: "blocks"},
	{promise: "detach-leftovers", fault: "forgets leftovers"},
	{promise: "detach-leftovers", fault: "returns leftovers twice"},
	{promise: "close-leftovers", fault: "forgets leftovers"},
	{promise: "close-leftovers", fault: "returns leftovers twice"},
	{promise: "close-leftovers", fault: "does not wait"},
	{promise: "close-ctx", fault: "waits without end"},
	{promise: "closed-methods", fault: "opens after close"},
	{promise: "closed-methods", fault: "attaches after close"},
	{promise: "closed-methods", fault: "routes after close"},
	{promise: "closed-methods", fault: "panics when closed twice"},
	{promise: "closed-routes", fault: "stays with target-not-found"},
	{promise: "closed-routes", fault: "loses messages of stale routes"},
	{promise: "exactly-once", fault: "loses one in ten"},
	{promise: "exactly-once", fault: "refuses and takes"},
	{promise: "exactly-once", fault: "duplicates"},
	{promise: "any-goroutine", fault: "misroutes"},
	{promise: "no-goroutine-left", fault: "leaves goroutines"},
}

func TestSuiteFailsBrokenBrokers(t *testing.T) {
	for _, b := range broken {
		t.Run(b.promise+"/"+strings.ReplaceAll(string(b.fault), " ", "-"), func(t *testing.T) {
			p := named(t, b.promise)
			failure := watch(t, p, Harness{New: made(traits{fault: b.fault, direct: b.direct}), Direct: b.direct})
			for _, part := range []string{p.text, "got: ", "want: "} {
				if !strings.Contains(failure, part) {
					t.Errorf("the case said %q, want it to fail and to say %q", failure, part)
				}
			}
		})
	}
}

func TestEveryPromiseIsSeenBroken(t *testing.T) {
	seen := make(map[string]bool)
	for _, b := range broken {
		seen[b.promise] = true
	}
	for _, p := range promises {
		if !seen[p.name] {
			t.Errorf("no broken broker for promise %q", p.name)
		}
	}
}

func TestEveryTopicPromiseIsSeenBroken(t *testing.T) {
	seen := make(map[string]bool)
	for _, b := range brokenTopics {
		seen[b.promise] = true
		i := slices.IndexFunc(topicPromises, func(p topicPromise) bool { return p.name == b.promise })
		t.Run(b.promise+"/"+strings.ReplaceAll(string(b.fault), " ", "-"), func(t *testing.T) {
			p := topicPromises[i]
			failure := watch(t, p, Harness{Cluster: clusterOf(b.fault)})
			for _, part := range []string{p.text, "got: ", "want: "} {
				if !strings.Contains(failure, part) {
					t.Errorf("the case said %q, want it to fail and to say %q", failure, part)
				}
			}
		})
	}
	for _, p := range topicPromises {
		if !seen[p.name] {
			t.Errorf("no broken broker for promise %q", p.name)
		}
	}
}

func TestSuiteReportsABrokerThatCannotBeMade(t *testing.T) {
	h := Harness{New: func() (core.Broker, error) { return nil, fmt.Errorf("no server") }}
	if got := watch(t, promises[0], h); !strings.Contains(got, "no server") {
		t.Errorf("got %q, want the reason", got)
	}
	h.Cluster = func(int) ([]core.Broker, error) { return nil, fmt.Errorf("no server") }
	if got := watch(t, topicPromises[0], h); !strings.Contains(got, "no server") {
		t.Errorf("got %q, want the reason", got)
	}
	h.Cluster = func(int) ([]core.Broker, error) { return []core.Broker{&reference{}, &reference{}, &reference{}}, nil }
	if got := watch(t, topicPromises[0], h); !strings.Contains(got, "a broker that is a core.TopicCarrier") {
		t.Errorf("got %q, want the reason", got)
	}
}

func TestSuitePassesCorrectBrokers(t *testing.T) {
	for _, h := range []Harness{
		{New: made(traits{direct: true}), Direct: true},
		{New: made(traits{})},
		{New: made(traits{late: true}), Late: true},
		{New: made(traits{}), Cluster: clusterOf("")},
	} {
		t.Run(fmt.Sprintf("direct=%t late=%t cluster=%t", h.Direct, h.Late, h.Cluster != nil), func(t *testing.T) { Run(t, h) })
	}
}

func made(r traits) func() (core.Broker, error) {
	return func() (core.Broker, error) {
		return &reference{traits: r}, nil
	}
}

func named(t *testing.T, name string) promise {
	for _, p := range promises {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("no promise %q", name)
	return promise{}
}

// watch runs a case in a bubble, where waiting takes no time, and returns the text of
// its failure.
func watch(t *testing.T, p interface{ verify(t reporter, h Harness) }, h Harness) string {
	var r recorder
	synctest.Test(t, func(*testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.verify(&r, h)
		}()
		<-done
		<-time.After(2 * time.Hour) // until goroutines that a fault has left end
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
