package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestShortTimeoutInChain: the tracker knows a request with a short timeout from the
// beginning, since the watchdog would tell it too late.
func TestShortTimeoutInChain(t *testing.T) {
	for timeout, chained := range map[time.Duration]int{
		time.Millisecond: 0, 5 * time.Millisecond: 0, 6 * time.Millisecond: 1, 0: 1,
	} {
		bubble(t, func(t *testing.T) {
			c := startChain(t, timeout, host.Config{Workers: 1})
			before := c.ChainCalls()
			c.tell("?!")
			equal(t, "calls in chains", c.ChainCalls()-before, int64(chained))
			equal(t, "pending", c.Snapshot().Pending, 1-chained)
			if timeout == 0 {
				c.end("?!<nil>")
				return
			}
			equal(t, "end", <-c.ends, "timeout")
			equal(t, "late", c.end().Late, 1)
		})
	}
}

// TestRequestToItselfIsPending: a component that handles its own request can cancel it,
// and the request counts to its quota.
func TestRequestToItselfIsPending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		var sent guest.RequestID
		called := 0
		d := deployment("a/self", behaviour{
			message: func(g guest.Host, sender string, message []byte) (_ []byte, err error) {
				switch {
				case sender != "a/self":
					sent, err = g.Request("a/self", message, 0)
				case string(message) == "more":
					_, err = g.Request("a/self", nil, 0)
					isError(t, "a second request", err, guest.ErrQuotaExceeded)
					err = nil
				case string(message) == "cancel":
					err = g.Cancel(sent)
				}
				check(t, err)
				return nil, nil
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error { called++; return nil },
		})
		d.Quota.PendingRequests = 1
		check(t, h.Deploy(t.Context(), d))
		for _, text := range []string{"", "", "more", "cancel"} {
			check(t, h.Send(id("a/self"), []byte(text)))
			h.balance()
		}
		s := h.Snapshot()
		equal(t, "callbacks", called, 3)
		equal(t, "canceled", s.Canceled, 1)
		equal(t, "late", s.Late, 1) // the response to the one that is canceled
	})
}

// TestLargeResponseInChain: a response that is too large for a chain goes by the mailbox,
// and one that is too large for the requester becomes a failure.
func TestLargeResponseInChain(t *testing.T) {
	const most = host.MaxDirect
	for _, limit := range []int{100, most - 1, most, most + 1, 2 * most} {
		for size := range map[int]bool{0: true, 100: true, 101: true, most: true, most + 1: true, limit: true, limit + 1: true} {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{Workers: 1})
				ends := make(chan string, 2)
				d := deployment("a/asker", behaviour{
					message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
						_, err := g.Request("a/worker", nil, 0)
						return nil, err
					},
					callback: func(_ guest.Host, _ guest.RequestID, response []byte, failure error) error {
						ends <- fmt.Sprint(len(response), failure)
						return nil
					},
				})
				d.Limits.MessageSize = limit
				check(t, h.Deploy(t.Context(), d))
				h.deploy("a/worker", responder(func([]byte) ([]byte, error) { return make([]byte, size), nil }))
				check(t, h.Send(d.ID, nil))
				h.balance()
				before := h.ChainCalls()
				check(t, h.Send(d.ID, nil))
				s := h.balance()
				want, calls := fmt.Sprint(size, nil), int64(3)
				if size > limit {
					want = fmt.Sprintf("0 failed: message: a/asker takes at most %d bytes", limit)
				}
				if size > min(limit, most) {
					calls = 2
				}
				<-ends
				equal(t, "end", <-ends, want)
				equal(t, fmt.Sprintf("calls in chains for %d bytes of %d", size, limit), h.ChainCalls()-before, calls)
				equal(t, "callbacks", s.Callbacks, 2)
				equal(t, "pending", s.Pending, 0)
				if spare := h.ChainSpare(); spare > most {
					t.Errorf("a chain that has ended keeps a buffer of %d bytes", spare)
				}
			})
		}
	}
}

// TestOwnCallBreaksChain: once a component has the host send something, its call is no
// longer one of a chain. The chain's other components are free, and the tracker knows the
// request that the component handles.
func TestOwnCallBreaksChain(t *testing.T) {
	for name, act := range map[string]func(g guest.Host) error{
		"send":    func(g guest.Host) error { return g.Send("a/unknown", nil) },
		"request": func(g guest.Host) error { _, err := g.Request("a/unknown", nil, 0); return err },
		"send, then log": func(g guest.Host) error {
			err := g.Send("a/known", nil)
			g.Log(guest.LogInfo, "a line")
			return err
		},
		"request, then cancel": func(g guest.Host) error {
			id, err := g.Request("a/known", nil, 0)
			return errors.Join(err, g.Cancel(id))
		},
	} {
		for _, kind := range []string{"message", "request"} {
			t.Run(name+" in a "+kind, func(t *testing.T) { bubble(t, func(t *testing.T) { ownCall(t, kind, act) }) })
		}
	}
}

func ownCall(t *testing.T, kind string, act func(guest.Host) error) {
	h := start(t, host.Config{Workers: 1})
	gate := make(chan struct{})
	var pending int
	var ends []string
	h.deploy("a/known", echo)
	h.deploy("a/unknown", echo)
	h.deploy("a/asker", behaviour{
		message: func(g guest.Host, sender string, message []byte) (_ []byte, err error) {
			switch {
			case len(message) == 0:
			case kind == "message":
				err = g.Send("a/worker", message)
			default:
				_, err = g.Request("a/worker", message, 0)
			}
			return nil, err
		},
		callback: func(_ guest.Host, _ guest.RequestID, response []byte, failure error) error {
			ends = append(ends, fmt.Sprint(string(response), failure))
			return nil
		},
	})
	h.deploy("a/worker", behaviour{message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
		if string(message) != "act" {
			return message, g.Send("a/known", nil)
		}
		before := h.Snapshot().Pending
		check(t, act(g))
		pending = h.Snapshot().Pending - before
		<-gate
		return message, nil
	}})
	for range 2 {
		check(t, h.Send(id("a/asker"), []byte("hello")))
		h.balance()
	}
	ended := func() (n uint64) { // messages to a/known and a/unknown
		for _, name := range []string{"a/known", "a/unknown"} {
			c := h.component(name).Counters
			n += c.Handled + c.Expired
		}
		return n
	}
	before, endedBefore := h.ChainCalls(), ended()
	check(t, h.Send(id("a/asker"), []byte("act")))
	synctest.Wait()
	equal(t, "calls of the chain that has ended", h.ChainCalls()-before, 2)
	begun := time.Now()
	_, err := h.Request(context.Background(), id("a/asker"), nil)
	check(t, err)
	equal(t, "time until a/asker is free", time.Since(begun), 0)
	if kind == "request" && pending == 0 {
		t.Error("the tracker does not know the request")
	}
	<-time.After(10 * time.Millisecond)
	equal(t, "messages handled during the call", ended()-endedBefore, 1)
	close(gate)
	h.balance()
	if kind == "request" {
		equal(t, "ends", strings.Join(ends, " "), "hello<nil> hello<nil> act<nil>")
	}
}
