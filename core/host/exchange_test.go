package host_test

import (
	"bytes"
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

// TestExchangeMakesNoDifference: components hold a conversation on an engine that
// exchanges, on one that keeps a ledger, and on one that does not. Two components see the
// same in all. Of three, one may get its turn sooner or later, but the host counts the
// same.
func TestExchangeMakesNoDifference(t *testing.T) {
	var exchanged, chained atomic.Int64
	seeds, most := uint64(30), int64(4000)
	if host.Raced {
		seeds, most = 6, 800
	}
	plenty := host.Quota{MessagesPerSecond: 1e6, Burst: 1e6, PendingRequests: 1000}
	single := host.Quota{MessagesPerSecond: 1e6, Burst: 1e6, PendingRequests: 1}
	little := host.Quota{MessagesPerSecond: 1, Burst: 50, PendingRequests: 1000}
	for _, quota := range [][2]host.Quota{{plenty, plenty}, {single, single}, {little, plenty}, {plenty, little}} {
		for _, tracker := range []func() (core.Tracker, error){newSlab, newTimermap} {
			for seed := range seeds {
				three := randomConversation(seed)
				two := strings.Map(withoutThird, three)
				for _, steps := range []string{two, three} {
					want, counts := converse(t, parts{broker: newInproc, tracker: tracker, plain: true}, quota, steps)
					for _, p := range []parts{{exchanged: &exchanged}, {chained: &chained}} {
						p.broker, p.tracker = newInproc, tracker
						seen, counted := converse(t, p, quota, steps)
						if steps == two {
							same(t, steps, seen, want)
						}
						same(t, steps, counted, counts)
					}
				}
			}
		}
	}
	if n := exchanged.Load(); n < most {
		t.Errorf("%d calls followed the first ones of exchanges, want at least %d", n, most)
	}
	if n := chained.Load(); n < most {
		t.Errorf("%d calls of chains, want at least %d", n, most)
	}
}

// same checks that a conversation went as it should.
func same(t *testing.T, steps string, got, want []string) {
	t.Helper()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("%q: after\n%s\ngot\n%s\nwant\n%s", steps, strings.Join(want[max(0, i-10):i], "\n"), got[min(i, len(got)-1)], want[i])
		}
	}
}

// inExchangesAndChains runs a test with toys that exchange messages, and with toys that
// the host calls in chains.
func inExchangesAndChains(t *testing.T, test func(t *testing.T, p parts)) {
	for name, exchanged := range map[string]*atomic.Int64{"exchanges": new(atomic.Int64), "chains": nil} {
		t.Run(name, func(t *testing.T) { test(t, parts{broker: newInproc, tracker: newSlab, exchanged: exchanged}) })
	}
}

// exchangingToys deploys two toys that exchange messages, on a host with one worker.
// Each toy handles a message, and then sends the message without its first byte to
// the other one. If the message is in capitals, it sends first and then handles.
func exchangingToys(t *testing.T, p parts, handle func(i *toyInstance, message []byte) error) *testHost {
	t.Helper()
	h := p.start(t, host.Config{Workers: 1})
	for name, other := range map[string]string{"a/one": "a/two", "a/two": "a/one"} {
		d := toyDeployment(name, &toy{message: func(i *toyInstance, message []byte) error {
			send := func() {
				if len(message) > 0 {
					_ = i.env.Host.SendMessage([]byte(other), message[1:]) // a host that stops refuses it
				}
			}
			if bytes.Equal(message, bytes.ToUpper(message)) {
				send()
				return handle(i, message)
			}
			defer send()
			return handle(i, message)
		}})
		d.Limits.HandlerTime = 20 * time.Millisecond
		check(t, h.Deploy(t.Context(), d))
	}
	check(t, h.Send(id("a/one"), []byte("to and fro")))
	h.balance()
	return h
}

// TestWatchdogInExchanges: the watchdog interrupts the component of an exchange that
// hangs, and no other.
func TestWatchdogInExchanges(t *testing.T) {
	inExchangesAndChains(t, func(t *testing.T, p parts) {
		for _, hangs := range []string{"a/one", "a/two"} {
			for _, reconciles := range []bool{false, true} {
				for n := range 4 {
					first := []string{"a/one", "a/two"}[n&1]
					text := []string{"it is to hang", "IT IS TO HANG"}[n>>1]
					bubble(t, func(t *testing.T) {
						var hung atomic.Bool
						hung.Store(true)
						h := exchangingToys(t, p, func(i *toyInstance, message []byte) error {
							if i.env.ID.String() != hangs || len(message) > 5 || !hung.CompareAndSwap(false, true) {
								return nil
							}
							if reconciles {
								i.env.Host.Now()
							}
							return i.hang()
						})
						hung.Store(false)
						check(t, h.Send(id(first), []byte(text)))
						h.balance()
						equal(t, "hung", hung.Load(), true)
						for _, c := range h.Components() {
							traps := uint64(0)
							if c.ID.String() == hangs {
								traps = 1
							}
							equal(t, fmt.Sprintf("%s hangs, reconciles %v, first %s, %s: traps of %s", hangs, reconciles, first, text, c.ID), c.Counters.Traps, traps)
						}
					})
				}
			}
		}
	})
}

// TestLongExchanges: each call of an exchange has a handler time of its own.
func TestLongExchanges(t *testing.T) {
	inExchangesAndChains(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := exchangingToys(t, p, func(*toyInstance, []byte) error { <-time.After(5 * time.Millisecond); return nil })
			check(t, h.Send(id("a/one"), []byte(strings.Repeat("on and on ", 20))))
			s := h.balance()
			equal(t, "traps", s.Traps, 0)
		})
	})
}

// TestLeftBehindInExchange: Stop interrupts a call that hangs in an exchange as soon
// as the account is reconciled.
func TestLeftBehindInExchange(t *testing.T) {
	inExchangesAndChains(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			goOn := make(chan struct{})
			var once sync.Once
			h := exchangingToys(t, p, func(i *toyInstance, message []byte) error {
				if string(message) != "hang" {
					return nil
				}
				once.Do(func() { <-goOn })
				i.env.Host.Now()
				return i.hang()
			})
			check(t, h.Send(id("a/one"), []byte("my hang")))
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			isError(t, "stop", h.Stop(ctx), context.DeadlineExceeded)
			close(goOn)
			synctest.Wait()
			equal(t, "left", len(h.Components()), 0)
		})
	})
}

// TestExchangeKeepsRunNextSlot: no exchange begins while the worker's run-next slot
// holds an entry, which the exchange would overwrite.
func TestExchangeKeepsRunNextSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := parts{broker: newInproc, tracker: newSlab, exchanged: new(atomic.Int64)}.start(t, host.Config{Workers: 2})
		var handled atomic.Int32
		goOn := make(chan struct{})
		h.deploy("a/two", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			g.Now()
			handled.Add(1)
			return nil, nil
		}})
		h.deploy("a/three", behaviour{})
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			check(t, g.Send("a/two", nil))
			if string(message) == "three" {
				check(t, g.Send("a/three", nil))
				// a/two, run by the other worker, is idle again, and a/three has the
				// run-next slot. A refused message makes a/two the last target.
				isError(t, "too large", g.Send("a/two", make([]byte, 2<<20)), guest.ErrQuotaExceeded)
				<-goOn
			}
			return nil, nil
		}})
		for _, text := range []string{"two", "two", "three"} {
			check(t, h.Send(id("a/one"), []byte(text)))
			synctest.Wait()
		}
		<-time.After(10 * time.Millisecond) // a/one's worker is replaced, and its queue shared
		synctest.Wait()
		equal(t, "messages handled by a/two", handled.Load(), 3)
		check(t, h.Send(id("a/one"), []byte("two")))
		close(goOn)
		h.balance()
	})
}

// TestExchangeReleasesPartner: when a call in an exchange asks the host for
// something, the host releases the partner, even if the call has sent nothing.
// Otherwise the partner would wait until the end of the call, which may take long.
func TestExchangeReleasesPartner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := parts{broker: newInproc, tracker: newSlab, exchanged: new(atomic.Int64)}.start(t, host.Config{Workers: 2})
		var handled atomic.Int32 // messages that a/two has handled
		h.deploy("a/two", responder(func([]byte) ([]byte, error) { handled.Add(1); return nil, nil }))
		askHost, end := make(chan struct{}), make(chan struct{})
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "send" {
				return nil, g.Send("a/two", nil)
			}
			<-askHost
			g.Now()
			<-end
			return nil, nil
		}})
		for _, text := range []string{"send", "send", "block"} { // the second message is sent by a credit
			check(t, h.Send(id("a/one"), []byte(text)))
			synctest.Wait()
		}
		check(t, h.Send(id("a/two"), nil))
		synctest.Wait()
		equal(t, "messages handled while a/two is a/one's partner", handled.Load(), 2)
		close(askHost)
		synctest.Wait()
		equal(t, "messages handled after a/one has asked the host", handled.Load(), 3)
		close(end)
		h.balance()
	})
}

// TestExchangeEndsInPartnersCall: an exchange that ended in the partner's call does
// not make a later call seem older to the watchdog.
func TestExchangeEndsInPartnersCall(t *testing.T) {
	inExchangesAndChains(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := exchangingToys(t, p, func(i *toyInstance, message []byte) error {
				<-time.After(3 * time.Millisecond) // the watchdog sees it
				if len(message) == 0 {
					i.env.Host.Now()
				}
				return nil
			})
			for range 5 {
				check(t, h.Send(id("a/one"), []byte("a")))
				h.balance()
				<-time.After(time.Second)
			}
			equal(t, "traps", h.balance().Traps, 0)
		})
	})
}

// failingReserver is a tracker with methods that can be made to fail.
type failingReserver struct {
	core.Reserver
	renew, register func() error // called instead of the method, unless nil
}

func (f *failingReserver) Reserve(w core.Waiter, ids []core.RequestID) error {
	if f.renew != nil && ids[0] != 0 {
		return f.renew()
	}
	return f.Reserver.Reserve(w, ids)
}

func (f *failingReserver) RegisterReserved(id core.RequestID, w core.Waiter, timeout time.Duration) (core.RequestID, error) {
	if f.register != nil {
		return 0, f.register()
	}
	return f.Reserver.RegisterReserved(id, w, timeout)
}

// TestTrackerFailsInExchange: if the tracker fails while an exchange is reconciled,
// both components go on.
func TestTrackerFailsInExchange(t *testing.T) {
	var failed atomic.Int64
	closed := func() error { failed.Add(1); return core.ErrClosed }
	panics := func() error { failed.Add(1); panic("on purpose") }
	for name, fault := range map[string]failingReserver{
		"no id is renewed": {renew: closed}, "renewing panics": {renew: panics},
		"nothing is registered": {register: closed}, "registering panics": {register: panics},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				slab, err := newSlab()
				check(t, err)
				tracker := &failingReserver{Reserver: slab.(core.Reserver)}
				failed.Store(0)
				exchanged := new(atomic.Int64)
				h := parts{broker: newInproc, tracker: func() (core.Tracker, error) { return tracker, nil }, exchanged: exchanged}.start(t, host.Config{Workers: 1})
				begins := func(g guest.Host, left byte) {
					if left > 0 {
						_, err := g.Request("a/two", []byte{left}, time.Minute)
						check(t, err)
					}
				}
				d := deployment("a/one", behaviour{
					message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
						begins(g, message[0])
						return nil, nil
					},
					callback: func(g guest.Host, _ guest.RequestID, response []byte, failure error) error {
						if failure == nil {
							begins(g, response[0]-1)
						}
						return nil
					},
				})
				d.Restart.MaxRestarts = -1
				check(t, h.Deploy(t.Context(), d))
				d = deployment("a/two", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
					if message[0] == 1 { // in the exchange's last call
						tracker.renew, tracker.register = fault.renew, fault.register
						g.Now()
						tracker.renew, tracker.register = nil, nil
					}
					return message, nil
				}})
				d.Restart.MaxRestarts = -1
				check(t, h.Deploy(t.Context(), d))
				for range 10 {
					before := exchanged.Load()
					for range 3 {
						check(t, h.Send(id("a/one"), []byte{5}))
						h.balance()
						tracker.renew, tracker.register = nil, nil
						<-time.After(time.Minute)
					}
					if exchanged.Load() == before {
						t.Fatal("there was no exchange")
					}
				}
				if failed.Load() == 0 {
					t.Error("the tracker did not fail")
				}
			})
		})
	}
}
