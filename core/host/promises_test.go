package host_test

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// book sends a request at each message, and hands the ids of those that are pending over. It
// accepts callbacks only for ids that it knows.
type book struct {
	behaviour
	Pending map[guest.RequestID]bool
	Ended   int
}

func newBook(t *testing.T) *book {
	b := &book{Pending: make(map[guest.RequestID]bool)}
	b.message = func(g guest.Host, _ string, _ []byte) ([]byte, error) {
		asked, err := g.Request("a/slow", nil, time.Hour)
		b.Pending[asked] = true
		return nil, err
	}
	b.callback = func(_ guest.Host, asked guest.RequestID, response []byte, failure error) error {
		if !b.Pending[asked] || string(response) != "done" || failure != nil {
			t.Errorf("callback for request %d, of %v pending: %q, %v", asked, b.Pending, response, failure)
		}
		delete(b.Pending, asked)
		b.Ended++
		return nil
	}
	return b
}

func (b *book) Save(guest.Host) ([]byte, error)          { return json.Marshal(b) }
func (b *book) Restore(_ guest.Host, state []byte) error { return json.Unmarshal(state, b) }
func (b *book) deployment() host.Deployment              { return deployment("a/book", b) }
func (b *book) equal(t *testing.T, name string, pending, ended int) {
	t.Helper()
	equal(t, name+": pending requests", len(b.Pending), pending)
	equal(t, name+": ended requests", b.Ended, ended)
}

// TestCallbacksAfterHandOver: requests of the old version that are pending end at the new
// version's handle-callback, with the ids that the old one was given and the state has.
func TestCallbacksAfterHandOver(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		release := make(chan struct{})
		h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return []byte("done"), nil }))
		old := newBook(t)
		check(t, h.Deploy(within(t), old.deployment()))
		for n := range 5 {
			h.do("a/book")
			next := newBook(t)
			check(t, h.Replace(within(t), next.deployment()))
			next.equal(t, "after a hand-over", n+1, 0)
			old = next
		}
		h.do("a/book")
		close(release)
		h.balance()
		old.equal(t, "in the end", 0, 6)
	})
}

// TestAnyHasNoOrder: with SpreadAny a later message of a sender may be handled before an earlier
// one; with SpreadSender it waits.
func TestAnyHasNoOrder(t *testing.T) {
	for _, spread := range []host.Spread{host.SpreadAny, host.SpreadSender} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 3})
			release := make(chan struct{})
			var later atomic.Bool
			d := several("a/pool", 2, spread, sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
				if string(message) == "first" {
					<-release
				} else {
					later.Store(true)
				}
				return nil, nil
			}}))
			d.Limits.HandlerTime = time.Hour
			check(t, h.Deploy(t.Context(), d))
			h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				return nil, errors.Join(g.Send("a/pool", []byte("first")), g.Send("a/pool", []byte("later")))
			}})
			h.do("a/sender")
			<-time.After(time.Second)
			equal(t, string(spread)+": the later message is handled during the first", later.Load(), spread == host.SpreadAny)
			close(release)
			h.balance()
		})
	}
}

// TestStateOfSeveralInstances: a state is handed over from one instance to one instance, and
// from or to no others.
func TestStateOfSeveralInstances(t *testing.T) {
	for _, test := range []struct {
		old, next int
		count     string // of the next message
	}{{1, 1, "3"}, {1, 2, "1"}, {2, 1, "1"}, {2, 2, "1"}} {
		h := start(t, host.Config{})
		var saves, restores atomic.Int64
		d := counterDeployment(func(c *counter) {
			c.save = func() error { saves.Add(1); return nil }
			c.restore = func() error { restores.Add(1); return nil }
		})
		d.Instances = 1
		check(t, h.Deploy(within(t), d))
		h.do("a/counter")
		h.do("a/counter")
		d.Instances = test.old
		check(t, h.Update(within(t), d))
		d.Instances = test.next
		check(t, h.Replace(within(t), d))
		got, err := h.request("a/counter", "")
		check(t, err)
		equal(t, "count", got, test.count)
		want := int64(0)
		if test.old == 1 && test.next == 1 {
			want = 1
		}
		equal(t, "calls of save", saves.Load(), want)
		equal(t, "calls of restore", restores.Load(), want)
		h.balance()
	}
}

// TestSaveAfterRollBack: an old version that has saved its state goes on after a roll-back, and
// saves it again at the next attempt, with all that has come since. It is shut down once.
func TestSaveAfterRollBack(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		saves, ends := 0, 0
		check(t, h.Deploy(within(t), counterDeployment(func(c *counter) {
			c.save = func() error { saves++; return nil }
			c.shutdown = func(guest.Host) { ends++ }
		})))
		refuses := counterDeployment(func(c *counter) { c.restore = func() error { return guest.Failed("not now") } })
		for n := 1; n <= 3; n++ {
			h.do("a/counter")
			isError(t, "replacement", h.Replace(within(t), refuses), core.ErrFailed)
			equal(t, "calls of save", saves, n)
		}
		equal(t, "calls of shutdown", ends, 0)
		h.do("a/counter")
		check(t, h.Replace(within(t), counterDeployment(unchanged)))
		got, err := h.request("a/counter", "")
		check(t, err)
		equal(t, "count", got, "5")
		equal(t, "calls of save", saves, 4)
		equal(t, "calls of shutdown", ends, 1)
		h.balance()
	})
}

// TestCallbacksOfAFailedInstance: the callbacks of an instance that has failed go to another
// one, those that waited for it too, and its places for requests are free again. If all fail
// there is nobody to call.
func TestCallbacksOfAFailedInstance(t *testing.T) {
	const pending = 4
	for _, allFail := range []bool{false, true} {
		everyPart(t, func(t *testing.T, p parts) {
			h := p.start(t, host.Config{})
			release := make(chan struct{})
			h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return []byte("done"), nil }))
			var called atomic.Int64
			asks := asker("a/slow")
			asks.callback = func(guest.Host, guest.RequestID, []byte, error) error { called.Add(1); return nil }
			d := several("a/pool", 2, host.SpreadAny, sameFor(asks))
			d.Restart = host.Restart{Policy: host.RestartTemporary}
			d.Quota.PendingRequests = pending
			check(t, h.Deploy(within(t), d))
			for range pending {
				h.do("a/pool")
			}
			ends := 1
			if allFail {
				ends = 2
			}
			for n := range ends {
				_, err := h.request("a/pool", "trap")
				isError(t, "a trap", err, core.ErrRequestTrapped)
				h.waitFor("the end", func() bool { return instancesOf(h, "a/pool") == 1-n })
			}
			close(release)
			s := h.balance()
			want := int64(pending)
			if allFail {
				want = 0
			}
			equal(t, "callbacks", called.Load(), want)
			equal(t, "orphans", s.Orphans, uint64(pending-want))
			if !allFail {
				for range pending {
					h.do("a/pool") // all places are free
				}
				h.balance()
				equal(t, "callbacks", called.Load(), 2*want)
			}
		})
	}
}
