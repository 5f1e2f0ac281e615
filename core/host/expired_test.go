package host_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// blocked is a component that waits in its first call until it is released, and
// counts its calls.
type blocked struct {
	release chan struct{}
	calls   atomic.Int32
}

func (b *blocked) deploy(t *testing.T, h *testHost, name string) {
	t.Helper()
	b.release = make(chan struct{})
	d := deployment(name, responder(func([]byte) ([]byte, error) {
		b.calls.Add(1)
		<-b.release
		return nil, nil
	}))
	d.Limits.HandlerTime = time.Hour
	check(t, h.Deploy(t.Context(), d))
}

// TestExpiredIsNotHandled: when a request has timed out, or its sender has canceled
// it or is removed, the target's mailbox drops and counts it. A request whose
// handler runs by then goes on.
func TestExpiredIsNotHandled(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		giveUp  func(t *testing.T, h *testHost)
	}{
		"timeout": {timeout: 50 * time.Millisecond, giveUp: func(*testing.T, *testHost) { <-time.After(time.Second) }},
		"cancel": {timeout: time.Minute, giveUp: func(t *testing.T, h *testHost) {
			_, err := h.request("a/asker", "cancel")
			check(t, err)
		}},
		"removal": {timeout: time.Minute, giveUp: func(t *testing.T, h *testHost) {
			check(t, h.Undeploy(t.Context(), id("a/asker")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			everyPart(t, func(t *testing.T, p parts) {
				bubble(t, func(t *testing.T) {
					h := p.start(t, host.Config{})
					var b blocked
					b.deploy(t, h, "a/slow")
					var ids []guest.RequestID
					h.deploy("a/asker", behaviour{callback: newOutcomes().callback, message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
						if string(message) == "cancel" {
							for _, id := range ids {
								check(t, g.Cancel(id))
							}
							return nil, nil
						}
						for range 20 {
							id, err := g.Request("a/slow", nil, test.timeout)
							check(t, err)
							ids = append(ids, id)
						}
						return nil, nil
					}})
					h.do("a/asker")
					synctest.Wait()
					test.giveUp(t, h)
					close(b.release)
					s := h.balance()
					equal(t, "requests that were handled", b.calls.Load(), 1)
					equal(t, "expired", s.Expired, 19)
					equal(t, "late", s.Late, 1)
					for _, c := range h.Components() {
						if c.ID == id("a/slow") {
							equal(t, "expired at the target", c.Counters.Expired, 19)
						}
					}
				})
			})
		})
	}
}

// TestExpiredOfGo is TestExpiredIsNotHandled for Go programs, and the end of their
// contexts.
func TestExpiredOfGo(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		bubble(t, func(t *testing.T) {
			h := p.start(t, host.Config{RequestTimeout: 2 * time.Second})
			var b blocked
			b.deploy(t, h, "a/slow")
			check(t, h.Send(id("a/slow"), nil))
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			var asked []<-chan error
			for _, ctx := range []context.Context{ctx, limited(t, time.Second), context.Background()} {
				asked = append(asked, background(func() error { _, err := h.Request(ctx, id("a/slow"), nil); return err }))
			}
			synctest.Wait()
			cancel()
			for i, want := range []error{context.Canceled, context.DeadlineExceeded, core.ErrTimeout} {
				isError(t, "the request", <-asked[i], want)
			}
			last := background(func() error { _, err := h.Request(t.Context(), id("a/slow"), nil); return err })
			synctest.Wait()
			close(b.release)
			check(t, <-last)
			equal(t, "expired", h.balance().Expired, 3)
			equal(t, "calls", b.calls.Load(), 2)
		})
	})
}

// TestExpiredInRunNextSlot: a request in the run-next slot ends while its sender's
// call goes on. The worker drops it.
func TestExpiredInRunNextSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1, HeldUpWorkers: 1})
		var calls atomic.Int32
		h.deploy("a/target", responder(func([]byte) ([]byte, error) { calls.Add(1); return nil, nil }))
		d := deployment("a/asker", behaviour{callback: newOutcomes().callback, message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			id, err := g.Request("a/target", nil, 0)
			check(t, err)
			return nil, g.Cancel(id)
		}})
		check(t, h.Deploy(t.Context(), d))
		check(t, h.Send(d.ID, nil)) // a Send, so that a worker runs it
		equal(t, "expired", h.balance().Expired, 1)
		equal(t, "calls", calls.Load(), 0)
	})
}

// TestExpiredAtTheEnd: when Stop discards a mailbox, an expired request in it is not
// a dead letter, and Stop does not report it.
func TestExpiredAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{DrainTimeout: time.Second})
		var b blocked
		b.deploy(t, h, "a/slow")
		check(t, h.Send(id("a/slow"), nil))
		synctest.Wait()
		_, err := h.Request(limited(t, time.Second), id("a/slow"), nil)
		isError(t, "the request", err, context.DeadlineExceeded)
		stopped := background(func() error { return h.Stop(t.Context()) })
		<-time.After(time.Minute)
		close(b.release)
		check(t, <-stopped)
		s := h.balance()
		equal(t, "expired", s.Expired, 1)
		equal(t, "dead letters", s.DeadLetters, 0)
	})
}
