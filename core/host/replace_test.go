package host_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// replace replaces a component's guest by one that is made of functions.
func (h *testHost) replace(name string, component guest.Component) {
	h.t.Helper()
	check(h.t, h.Replace(within(h.t), deployment(name, component)))
}

// patient returns a deployment whose calls may take a minute: on a busy machine they do.
func patient(d host.Deployment) host.Deployment {
	d.Limits.HandlerTime = time.Minute
	return d
}

// numbers checks messages that say "STREAM NUMBER": each stream counts from 1.
type numbers struct {
	t      *testing.T
	mu     sync.Mutex
	sent   map[string]int
	got    map[string]int
	asked  map[guest.RequestID]bool // requests that have not ended
	ended  int                      // requests of components
	stop   atomic.Bool              // streams end
	counts atomic.Int64             // messages that came
}

func newNumbers(t *testing.T) *numbers {
	return &numbers{t: t, sent: make(map[string]int), got: make(map[string]int), asked: make(map[guest.RequestID]bool)}
}

// next returns the next message of a stream.
func (n *numbers) next(stream string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent[stream]++
	return fmt.Appendf(nil, "%s %d", stream, n.sent[stream])
}

func (n *numbers) handle(message []byte) (stream string) {
	var number int
	_, err := fmt.Sscan(string(message), &stream, &number)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Add(1)
	if err != nil || number != n.got[stream]+1 {
		n.t.Errorf("got %q after number %d", message, n.got[stream])
	}
	n.got[stream] = number
	return stream
}

func (n *numbers) expect(err error) {
	if err != nil {
		n.t.Error(err)
	}
}

// target handles numbers, and sends itself the next one of the stream "self".
func (n *numbers) target() behaviour {
	return behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
		if n.handle(message) == "self" && !n.stop.Load() {
			n.expect(g.Send(g.SelfID(), n.next("self")))
		}
		return message, nil
	}}
}

// toy is target for the toy engine, which gives no responses.
func (n *numbers) toy() *toy {
	return &toy{message: func(i *toyInstance, message []byte) error {
		if n.handle(message) == "self" && !n.stop.Load() {
			n.expect(i.env.Host.SendMessage([]byte(i.env.ID.String()), n.next("self")))
		}
		return nil
	}}
}

// asker sends numbers to a/target: two messages and a request, and again after the response.
func (n *numbers) asker() behaviour {
	ask := func(g guest.Host) {
		n.expect(g.Send("a/target", n.next(g.SelfID())))
		n.expect(g.Send("a/target", n.next(g.SelfID())))
		n.mu.Lock() // the callback comes after this call
		defer n.mu.Unlock()
		n.sent[g.SelfID()]++
		id, err := g.Request("a/target", fmt.Appendf(nil, "%s %d", g.SelfID(), n.sent[g.SelfID()]), time.Minute)
		n.expect(err)
		n.asked[id] = true
	}
	return behaviour{
		message: func(g guest.Host, _ string, _ []byte) ([]byte, error) { ask(g); return nil, nil },
		callback: func(g guest.Host, id guest.RequestID, _ []byte, failure error) error {
			n.expect(failure)
			n.mu.Lock()
			if !n.asked[id] {
				n.t.Errorf("request %#x ended twice, or was never sent", id)
			}
			delete(n.asked, id)
			n.ended++
			n.mu.Unlock()
			if !n.stop.Load() {
				ask(g)
			}
			return nil
		},
	}
}

// program sends numbers as a Go program does: two messages and a request, again and again.
func (n *numbers) program(h *testHost, stream string) {
	for round := 0; !n.stop.Load(); round++ {
		n.expect(h.Send(id("a/target"), n.next(stream)))
		n.expect(h.Send(id("a/target"), n.next(stream)))
		ctx := context.Background()
		if round%2 == 0 {
			ctx = within(n.t)
		}
		_, err := h.Request(ctx, id("a/target"), n.next(stream))
		n.expect(err)
	}
}

// TestReplaceUnderLoad: 100 replacements of components that get messages and requests from
// Go programs, other components and themselves. Nothing is refused, lost or handled twice, the
// order of each sender is kept, and each request ends once.
func TestReplaceUnderLoad(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{RequestTimeout: time.Minute})
		n := newNumbers(t)
		check(t, h.Deploy(within(t), patient(deployment("a/target", n.target()))))
		for _, asker := range []string{"a/asker1", "a/asker2"} {
			check(t, h.Deploy(within(t), patient(deployment(asker, n.asker()))))
		}
		for round := range 5 {
			n.stop.Store(false)
			var programs sync.WaitGroup
			for i := range 2 {
				programs.Go(func() { n.program(h, fmt.Sprint("go", i)) })
				check(t, h.Send(id(fmt.Sprint("a/asker", i+1)), nil))
			}
			check(t, h.Send(id("a/target"), n.next("self")))
			for version := range 20 {
				before := n.counts.Load()
				h.replaceInTurn(n, version)
				h.waitFor("the load", func() bool { return n.counts.Load() >= before+20 })
			}
			n.stop.Store(true)
			programs.Wait()
			s := h.balance()
			equal(t, "refused", len(s.Refused), 0)
			equal(t, "dead letters and expired", s.DeadLetters+s.Expired, 0)
			equal(t, "callbacks", s.Callbacks, uint64(n.ended))
			equal(t, "requests without an end", len(n.asked), 0)
			for stream, sent := range n.sent {
				equal(t, fmt.Sprintf("round %d: last of %s", round, stream), n.got[stream], sent)
			}
			equal(t, "handled by all versions", h.component("a/target").Counters.Handled, uint64(n.counts.Load()))
		}
	})
}

// replaceInTurn replaces the target by one of another engine, or an asker.
func (h *testHost) replaceInTurn(n *numbers, version int) {
	h.t.Helper()
	d := deployment("a/target", n.target())
	switch version % 4 {
	case 1:
		d = toyDeployment("a/target", n.toy())
	case 3:
		d = deployment("a/asker1", n.asker())
	}
	check(h.t, h.Replace(within(h.t), patient(d)))
}

// TestReplacedIsFreed: a replacement shuts the old version down once, closes its instance,
// and frees its code.
func TestReplacedIsFreed(t *testing.T) {
	h := start(t, host.Config{})
	old, next := new(toy), new(toy)
	check(t, h.Deploy(within(t), toyDeployment("a/b", old)))
	check(t, h.Replace(within(t), toyDeployment("a/b", next)))
	equal(t, "instances of the old version", old.live.Load(), 0)
	equal(t, "instances of the new version", next.live.Load(), 1)
	ends := 0
	h.replace("a/b", behaviour{shutdown: func(guest.Host) { ends++ }})
	equal(t, "instances of the new version", next.live.Load(), 0)
	h.replace("a/b", echo)
	equal(t, "calls of shutdown", ends, 1)
	equal(t, "components", h.Snapshot().Components, 1)
	h.balance()
}

// TestReplaceOfNothing: what is not deployed cannot be replaced, updated or restarted.
func TestReplaceOfNothing(t *testing.T) {
	h := start(t, host.Config{})
	d := deployment("a/b", echo)
	isError(t, "replace", h.Replace(within(t), d), core.ErrTargetNotFound)
	isError(t, "update", h.Update(within(t), d), core.ErrTargetNotFound)
	isError(t, "restart", h.Restart(within(t), d.ID), core.ErrTargetNotFound)
	unused := new(toy)
	isError(t, "replace", h.Replace(within(t), toyDeployment("a/b", unused)), core.ErrTargetNotFound)
	equal(t, "times that its code was closed", unused.closed.Load(), 1)
	check(t, h.Stop(within(t)))
	isError(t, "replace after Stop", h.Replace(within(t), d), host.ErrNotRunning)
	isError(t, "update after Stop", h.Update(within(t), d), host.ErrNotRunning)
	isError(t, "restart after Stop", h.Restart(within(t), d.ID), host.ErrNotRunning)
}

// TestReplaceFailed: a replacement brings a component back that has failed, and one that
// waits for its restart. Its quota is not used up by requests of the time before.
func TestReplaceFailed(t *testing.T) {
	for state, traps := range map[string]int{"failed": 3, "restarting": 2} {
		t.Run(state, func(t *testing.T) {
			everyPart(t, func(t *testing.T, p parts) { bubble(t, func(t *testing.T) { replaceFailed(t, p, state, traps) }) })
		})
	}
}

func replaceFailed(t *testing.T, p parts, state string, traps int) {
	h := p.start(t, host.Config{})
	release := make(chan struct{})
	slow := deployment("a/slow", responder(func(m []byte) ([]byte, error) { <-release; return m, nil }))
	slow.Limits.HandlerTime = time.Hour
	check(t, h.Deploy(t.Context(), slow))
	o := newOutcomes()
	asker := o.requester("a/slow", time.Minute)
	ask := asker.message
	asker.message = func(g guest.Host, sender string, m []byte) ([]byte, error) {
		if string(m) == "trap" {
			panic("on purpose")
		}
		return ask(g, sender, m)
	}
	d := deployment("a/asker", asker)
	d.Quota.PendingRequests = 2
	d.Restart = host.Restart{MaxRestarts: 2, Backoff: 500 * time.Millisecond, MaxBackoff: 500 * time.Millisecond}
	check(t, h.Deploy(t.Context(), d))
	for range 2 {
		h.do("a/asker")
	}
	for range traps {
		check(t, h.Send(d.ID, []byte("trap")))
		<-time.After(20 * time.Millisecond) // the watchdog gives the component to another worker
		if traps == 3 {
			<-time.After(time.Second)
		}
	}
	equal(t, "state before", h.component("a/asker").State, state)
	restarts := h.Snapshot().Restarts
	check(t, h.Replace(t.Context(), d))
	equal(t, "state", h.component("a/asker").State, "running")
	<-time.After(time.Second) // past the restart that the old version waited for
	equal(t, "restarts", h.Snapshot().Restarts, restarts)
	close(release)
	h.balance()
	for range 2 {
		_, err := h.request("a/asker", "4")
		check(t, err)
	}
	s := h.balance()
	equal(t, "outcomes", uint64(len(o.got)), s.Callbacks)
	equal(t, "outcomes and orphans", s.Callbacks+s.Orphans, 4)
	equal(t, "refused", len(s.Refused), 0)
}

// TestReplaceKeepsMailbox: messages that wait go to the new version in order, also if they
// are more than its mailbox takes.
func TestReplaceKeepsMailbox(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		release := make(chan struct{})
		var got []string
		note := func(version string) behaviour {
			return behaviour{message: func(_ guest.Host, _ string, m []byte) ([]byte, error) {
				if string(m) == "0" {
					<-release
				}
				got = append(got, version+string(m))
				return m, nil
			}}
		}
		d := deployment("a/b", note("old"))
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		for n := range 6 {
			check(t, h.Send(d.ID, fmt.Append(nil, n)))
		}
		synctest.Wait()
		next := deployment("a/b", note("new"))
		next.Limits.Mailbox, next.Limits.MessageSize = 2, 2
		replaced := background(func() error { return h.Replace(t.Context(), next) })
		synctest.Wait()
		equal(t, "waiting", h.component("a/b").Waiting, 5)
		check(t, h.Send(d.ID, []byte("6")))
		close(release)
		check(t, <-replaced)
		h.balance()
		equal(t, "handled", strings.Join(got, " "), "old0 new1 new2 new3 new4 new5 new6")
		isError(t, "a message of 3 bytes", h.Send(d.ID, []byte("789")), core.ErrInvalidArgument)
		equal(t, "handled", h.component("a/b").Counters.Handled, 7)
	})
}

// TestReplaceLimits: the new version's mailbox is as large as its deployment says.
func TestReplaceLimits(t *testing.T) {
	for _, places := range []int{2, 20} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{})
			release := make(chan struct{})
			d := deployment("a/b", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
			d.Limits.HandlerTime, d.Limits.Mailbox = time.Hour, 8
			check(t, h.Deploy(t.Context(), d))
			d.Limits.Mailbox = places
			check(t, h.Replace(t.Context(), d))
			check(t, h.Send(d.ID, nil))
			synctest.Wait()
			for range places {
				check(t, h.Send(d.ID, nil))
			}
			isError(t, "one message too many", h.Send(d.ID, nil), core.ErrQueueFull)
			close(release)
			h.balance()
		})
	}
}

// TestReplaceHandlerTime: the new version's calls have the time that its deployment says.
func TestReplaceHandlerTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		check(t, h.Deploy(t.Context(), patient(toyDeployment("a/b", new(toy)))))
		d := toyDeployment("a/b", &toy{message: func(i *toyInstance, _ []byte) error { return i.hang() }})
		d.Limits.HandlerTime = 20 * time.Millisecond
		check(t, h.Replace(t.Context(), d))
		check(t, h.Send(d.ID, nil))
		<-time.After(time.Second)
		equal(t, "traps", h.balance().Traps, 1)
	})
}

// TestReplaceOfTarget: senders that know the way to a component find its new version, its
// limits and its engine at once, also in a chain.
func TestReplaceOfTarget(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		if strings.HasPrefix(p.name, "channel") {
			t.Skip("this broker takes a message before the target does")
		}
		h := p.start(t, host.Config{})
		var last error
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, m []byte) ([]byte, error) {
			g.Now() // no credit: the answer comes in the call
			last = g.Send("a/target", m)
			return nil, nil
		}})
		h.deploy("a/target", echo)
		h.deploy("a/fast", behaviour{message: func(g guest.Host, _ string, m []byte) ([]byte, error) { return nil, g.Send("a/target", m) }})
		handled := func(component, m string) uint64 {
			t.Helper()
			check(t, h.Send(id(component), []byte(m)))
			h.balance()
			return h.component("a/target").Counters.Handled
		}
		for range 3 {
			handled("a/fast", "hello")
		}
		equal(t, "handled", handled("a/sender", "hello"), 4)
		d := deployment("a/target", echo)
		d.Limits.MessageSize = 3
		check(t, h.Replace(within(t), d))
		handled("a/sender", "hello")
		isError(t, "a message that is too large for the new version", last, guest.ErrInvalidArgument)
		handled("a/fast", "hello")
		equal(t, "handled", handled("a/fast", "hi"), 5)
		check(t, h.Replace(within(t), toyDeployment("a/target", new(toy))))
		equal(t, "handled", handled("a/fast", "hello"), 6)
		equal(t, "dead letters", h.Snapshot().DeadLetters, 0)
	})
}

// TestReplaceRights: the capabilities and the quota of the new version hold from its first
// message on.
func TestReplaceRights(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		h.deploy("a/target", echo)
		var last error
		d := deployment("a/sender", behaviour{message: func(g guest.Host, _ string, m []byte) ([]byte, error) {
			last = g.Send("a/target", m)
			return nil, nil
		}})
		send := func() error {
			t.Helper()
			check(t, h.Send(d.ID, nil))
			h.balance()
			return last
		}
		check(t, h.Deploy(within(t), d))
		for range 3 {
			check(t, send())
		}
		before := d.Capabilities
		d.Capabilities = host.Capabilities{}
		check(t, h.Replace(within(t), d))
		isError(t, "without the capability", send(), guest.ErrCapabilityDenied)
		d.Capabilities = before
		d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 1}
		check(t, h.Replace(within(t), d))
		check(t, send())
		isError(t, "over the quota", send(), guest.ErrQuotaExceeded)
	})
}
