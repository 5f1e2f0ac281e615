package enginetest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// recorder is a T that records failures.
type recorder struct {
	mu       sync.Mutex // guards failures: a call that does not end may report later
	failures []string
}

func (r *recorder) Context() context.Context { return context.Background() }
func (r *recorder) Helper()                  {}
func (r *recorder) FailNow()                 { runtime.Goexit() }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// failuresOf tests one promise of an engine and returns the failures.
func failuresOf(p promise, h Harness, patience time.Duration) []string {
	r := &recorder{}
	s := newSubject(h)
	s.patience = patience
	var done sync.WaitGroup
	done.Go(func() {
		defer s.close(r)
		p.try(r, s)
	})
	done.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures
}

func fakeHarness(flaw string) Harness {
	return Harness{
		New:       func() (core.Engine, error) { return &fake{flaw: flaw}, nil },
		Actor:     core.Source{Value: "actor"},
		Responder: core.Source{Value: "responder"},
		Malformed: core.Source{Value: 42},
	}
}

// flaws lists the flaws that the test of each promise must find.
var flaws = map[string][]string{
	"name":                {"no name"},
	"malformed":           {"accepts anything"},
	"checksum":            {"ignores checksums"},
	"engine-close":        {"compiles when closed", "second engine close fails"},
	"close-in-use":        {"closes an engine in use", "closes an engine in a call", "in use without a number", "closes for good", "close does not wait", "instances of a closed engine"},
	"component-close":     {"instantiates when closed", "second component close fails"},
	"traits":              {"no management trait", "no state trait", "responder has everything"},
	"starting":            {"no starting", "two startings"},
	"own-memory":          {"shared memory"},
	"concurrent":          {"one instance at a time"},
	"round-trip":          {"large messages are cut"},
	"empty":               {"no empty message"},
	"append":              {"response replaces"},
	"no-response":         {"needs a response"},
	"in-place":            {"response before message"},
	"message-kept":        {"overwrites the message", "response is the message"},
	"sender":              {"no sender"},
	"guest-error":         {"guest errors lose their case", "guest errors end the instance"},
	"error-no-response":   {"errors clear the response"},
	"large-response":      {"responses have no limit"},
	"many":                {"leaks"},
	"send":                {"targets are cut"},
	"request":             {"timeouts have 32 bits", "ids have 32 bits"},
	"cancel":              {"cancels another"},
	"after":               {"milliseconds have 32 bits", "payloads are cut", "timer ids have 32 bits"},
	"cancel-timer":        {"cancels another timer", "every timer was running"},
	"no-timers":           {"invents timers", "timers are never refused", "every timer was running"},
	"call":                {"functions are cut", "arguments are cut", "results are cut", "no empty result"},
	"call-large":          {"large results are cut"},
	"call-errors":         {"functions never fail", "call-errors lose their case", "call-errors lose their text", "only plain call-errors"},
	"call-other-error":    {"functions never fail", "other call-errors lose their text"},
	"call-argument":       {"functions get no argument"},
	"call-panic":          {"no details", "panics of functions are errors"},
	"no-functions":        {"invents functions"},
	"keyvalue":            {"keys of buckets are cut", "buckets have all keys", "removes nothing", "pages have no next one", "increments have 32 bits"},
	"keyvalue-large":      {"large values are cut"},
	"keyvalue-swap":       {"swaps once"},
	"keyvalue-errors":     {"buckets never fail", "bucket errors lose their case", "bucket errors lose their text"},
	"keyvalue-panic":      {"panics of buckets are errors", "no details"},
	"no-keyvalue":         {"invents buckets"},
	"publish":             {"topics are cut", "publications are cut"},
	"publish-refusals":    {"publish is never refused", "refusals lose their text", "only plain messaging-errors"},
	"publish-panic":       {"no details", "panics of publish are errors"},
	"no-topics":           {"invents topics", "publish is never refused"},
	"refusals":            {"timers are never refused", "refusals are no errors", "refusals lose their text"},
	"other-error":         {"other errors lose their text"},
	"wrapped-error":       {"only plain messaging-errors"},
	"self-id":             {"no self-id"},
	"current-time":        {"clock stands still"},
	"log":                 {"logs at info only"},
	"host-panic":          {"no details"},
	"callback-response":   {"callbacks lose their id"},
	"callback-failure":    {"callbacks have no details"},
	"callback-error":      {"callbacks cannot fail"},
	"initialize":          {"configuration is sorted"},
	"initialize-none":     {"no initialize without configuration"},
	"initialize-error":    {"initialize cannot fail"},
	"initialize-services": {"no services in initialize"},
	"health":              {"always healthy"},
	"shutdown":            {"no shutdown"},
	"unmanaged":           {"unmanaged is unhealthy"},
	"state":               {"states are cut"},
	"state-again":         {"saves once"},
	"state-append":        {"state replaces", "failed saves clear the state"},
	"state-kept":          {"changes the state", "keeps the state"},
	"state-error":         {"save cannot fail", "restore cannot fail"},
	"state-services":      {"no services in save", "no services in restore"},
	"state-large":         {"restores any size", "saves any size"},
	"state-none":          {"everything has state"},
	"ledger-open":         {"asks nevertheless", "open in memory of its own"},
	"ledger-uncovered":    {"all targets are covered", "all sizes are covered", "messages are always covered", "long timeouts are covered"},
	"ledger-once":         {"answers twice", "does not reconcile"},
	"ledger-services":     {"reconciles before messages only", "the credit survives other services", "timers leave the ledger alone", "functions leave the ledger alone", "publish leaves the ledger alone"},
	"ledger-failure":      {"failures drop the message"},
	"ledger-outside":      {"credit at any time"},
	"trap":                {"traps have many lines", "traps are guest errors"},
	"trap-refuses":        {"goes on after a trap"},
	"trap-alone":          {"a trap ends all"},
	"close-alone":         {"a close ends all"},
	"closed":              {"goes on after close", "second close fails"},
	"close-trapped":       {"trapped instances cannot be closed"},
	"interrupt-idle":      {"interruption of the idle is forgotten"},
	"interrupt-starting":  {"interruption before the start is forgotten"},
	"interrupt-running":   {"interruption does nothing"},
	"interrupt-service":   {"interrupted services succeed"},
	"interrupt-alone":     {"an interruption ends all"},
	"interrupt-any-time":  {"interrupted instances cannot be closed"},

	"memory-size":          {"memories never grow"},
	"memory-size-any-time": {"sizes wait for calls", "running guests have no memory"},

	"turn":         {"wants no turns", "turns lose the last", "turns do all twice"},
	"turn-nothing": {"turns do all twice", "turns need a wish"},
	"turn-ended":   {"turns after the end"},

	"enforces-memory":            {"claims limits.memory"},
	"enforces-table-elements":    {"claims limits.table_elements"},
	"enforces-stack":             {"claims limits.stack"},
	"enforces-handler-wall-time": {"claims limits.handler_wall_time"},
	"enforces-fuel":              {"claims limits.fuel"},
	"enforces-nesting":           {"claims limits.nesting"},
}

func TestSuiteAcceptsWhatKeepsItsPromises(t *testing.T) { Run(t, fakeHarness("")) }

func TestSuiteSeesEachBrokenPromise(t *testing.T) {
	for _, p := range promises() {
		if len(flaws[p.name]) == 0 {
			t.Errorf("%s: nothing breaks it here", p.name)
		}
		for _, flaw := range flaws[p.name] {
			if failures := failuresOf(p, fakeHarness(flaw), 50*time.Millisecond); len(failures) == 0 {
				t.Errorf("%s: an engine with the flaw %q passes", p.name, flaw)
			}
		}
	}
}
