package host_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// chained is a host with two components in a chain: a/asker sends the bytes that it
// handles to a/worker, and those that begin with "?" as a request. a/worker blocks at
// "!" and at "?!" until the test opens the gate.
type chained struct {
	*testHost
	gate    chan struct{}
	handled atomic.Int32 // messages that a/asker has handled
	ends    chan string  // of requests
}

func startChain(t *testing.T, timeout time.Duration, config host.Config) *chained {
	c := &chained{testHost: start(t, config), gate: make(chan struct{}), ends: make(chan string, 10)}
	c.deploy("a/worker", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
		if string(message) == "!" || string(message) == "?!" {
			<-c.gate
		}
		return message, nil
	}})
	c.deploy("a/asker", behaviour{
		message: func(g guest.Host, _ string, message []byte) (_ []byte, err error) {
			c.handled.Add(1)
			switch {
			case len(message) == 0:
			case message[0] == '?':
				_, err = g.Request("a/worker", message, timeout)
			default:
				err = g.Send("a/worker", message)
			}
			return nil, err
		},
		callback: func(_ guest.Host, _ guest.RequestID, response []byte, failure error) error {
			c.ends <- fmt.Sprint(string(response), failure)
			return nil
		},
	})
	c.tell("?hello") // from now on a/asker has a credit, and ids for requests
	equal(t, "end of the first request", <-c.ends, "?hello<nil>")
	return c
}

// tell sends text to a/asker, and waits until all goroutines wait.
func (c *chained) tell(text string) {
	c.t.Helper()
	check(c.t, c.Send(id("a/asker"), []byte(text)))
	synctest.Wait()
}

// end opens the gate, and checks the counters and the ends of the requests.
func (c *chained) end(want ...string) host.Snapshot {
	c.t.Helper()
	close(c.gate)
	s := c.balance()
	for _, text := range want {
		equal(c.t, "end of the request", receive(c.t, "the end", c.ends), text)
	}
	equal(c.t, "ends left", len(c.ends), 0)
	equal(c.t, "pending", s.Pending, 0)
	return s
}

// TestChainOfLongCall: when a call takes long, the watchdog gives the chain's other
// components back, and the tracker learns of the open request.
func TestChainOfLongCall(t *testing.T) {
	for _, message := range []string{"!", "?!"} {
		for _, timeout := range []time.Duration{7 * time.Millisecond, time.Minute} {
			bubble(t, func(t *testing.T) {
				c := startChain(t, timeout, host.Config{Workers: 1})
				before := c.ChainCalls()
				c.tell(message)
				equal(t, "calls in chains", c.ChainCalls()-before, 1)
				c.tell("")
				equal(t, "messages handled while a/asker is held", c.handled.Load(), 2)
				<-time.After(5 * time.Millisecond)
				equal(t, "messages handled after the chain", c.handled.Load(), 3)
				equal(t, "pending", c.Snapshot().Pending, len(message)-1)
				if <-time.After(5 * time.Millisecond); message == "?!" && timeout < time.Minute {
					equal(t, "pending after the timeout", c.Snapshot().Pending, 0)
					equal(t, "late", c.end("timeout").Late, 1)
				} else if message == "?!" {
					c.end("?!<nil>")
				} else {
					c.end()
				}
			})
		}
	}
}

// TestChainIsTakenApart: whoever undeploys a component of a chain need not wait for
// the call of another one.
func TestChainIsTakenApart(t *testing.T) {
	for _, message := range []string{"!", "?!"} {
		bubble(t, func(t *testing.T) {
			c := startChain(t, time.Minute, host.Config{Workers: 1})
			c.tell(message)
			begun := time.Now()
			check(t, c.Undeploy(t.Context(), id("a/asker")))
			equal(t, "time to undeploy a component that is held", time.Since(begun), 0)
			undeployed := make(chan error, 1)
			go func() { undeployed <- c.Undeploy(t.Context(), id("a/worker")) }()
			synctest.Wait()
			equal(t, "components that are called", len(c.Components()), 1)
			close(c.gate)
			check(t, <-undeployed)
			s := c.balance()
			equal(t, "orphans", s.Orphans, uint64(len(message)-1))
			equal(t, "late", s.Late, uint64(len(message)-1))
		})
	}
}

// TestStopInChain: Stop leaves the component of the call in progress behind, and no other.
func TestStopInChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startChain(t, time.Minute, host.Config{Workers: 1, DrainTimeout: time.Millisecond})
		c.tell("?!")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := c.Stop(ctx)
		contains(t, "stop", fmt.Sprint(err), "a/worker was left behind")
		equal(t, "components left", len(c.Components()), 1)
		equal(t, "its id", c.Components()[0].ID, id("a/worker"))
		close(c.gate)
		synctest.Wait()
		equal(t, "components left in the end", len(c.Components()), 0)
	})
}

// TestTrapInChain: an instance that ends in a chain ends alone, and its message is a dead
// letter or a request that has failed.
func TestTrapInChain(t *testing.T) {
	for _, text := range []string{"message", "request", "callback"} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 1})
			traps := false
			trap := func(here string) {
				if traps && here == text {
					panic("on purpose")
				}
			}
			failures := make(chan error, 10)
			d := deployment("a/one", behaviour{
				message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
					if text == "message" {
						return nil, g.Send("a/two", nil)
					}
					_, err := g.Request("a/two", nil, 0)
					return nil, err
				},
				callback: func(_ guest.Host, _ guest.RequestID, _ []byte, failure error) error {
					trap("callback")
					failures <- failure
					return nil
				},
			})
			check(t, h.Deploy(t.Context(), d))
			h.deploy("a/two", behaviour{message: func(guest.Host, string, []byte) ([]byte, error) {
				trap("message")
				trap("request")
				return nil, nil
			}})
			for range 2 {
				check(t, h.Send(id("a/one"), nil))
				h.balance()
				traps = true
			}
			s := h.balance()
			equal(t, "traps", s.Traps, 1)
			equal(t, "dead letters", s.DeadLetters, map[string]uint64{"message": 1, "request": 1}[text])
			equal(t, "pending", s.Pending, 0)
			if text == "request" {
				check(t, <-failures)
				var failed *guest.RequestError
				if !errors.As(<-failures, &failed) || failed.Reason != guest.ReasonTrapped {
					t.Errorf("failure: %v", failed)
				}
			}
		})
	}
}

// TestChainToItself: a component that sends to itself is called again at once, and its
// request to itself is one of the tracker's.
func TestChainToItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		var order []string
		h.deploy("a/self", behaviour{
			message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				order = append(order, string(message))
				switch text := string(message); {
				case text == "ask":
					_, err := g.Request("a/self", []byte("answer"), 0)
					return nil, err
				case len(text) > 0 && text != "answer":
					return nil, g.Send("a/self", message[1:])
				}
				return message, nil
			},
			callback: func(g guest.Host, _ guest.RequestID, response []byte, failure error) error {
				order = append(order, fmt.Sprint("callback ", string(response), failure))
				return nil
			},
		})
		for _, text := range []string{"abc", "abc", "ask", "ask"} {
			check(t, h.Send(id("a/self"), []byte(text)))
			h.balance()
		}
		if h.ChainCalls() < 3 {
			t.Errorf("%d calls in chains, want 3 at least", h.ChainCalls())
		}
		once := "abc bc c  "
		equal(t, "calls", fmt.Sprintf("%s ", join(order)), once+once+"ask answer callback answer<nil> ask answer callback answer<nil> ")
	})
}

func join(texts []string) (all string) {
	for i, text := range texts {
		if i > 0 {
			all += " "
		}
		all += text
	}
	return all
}

// TestChainKeepsOrder: a message that waits in a component's mailbox comes before one that
// a chain brings.
func TestChainKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 2})
		var heard []byte
		gate := make(chan struct{})
		h.deploy("a/hub", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "block" {
				return nil, g.Send("a/back", []byte("block"))
			}
			if len(message) == 1 {
				heard = append(heard, message[0])
				return nil, nil
			}
			return nil, g.Send("a/back", message)
		}})
		h.deploy("a/back", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "block" {
				<-gate
				return nil, g.Send("a/hub", []byte("3")) // a/hub has the others in its mailbox
			}
			return nil, g.Send("a/hub", []byte("0")) // from now on it has a credit
		}})
		h.deploy("a/other", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/hub", message)
		}})
		check(t, h.Send(id("a/hub"), []byte("hi")))
		synctest.Wait()
		check(t, h.Send(id("a/hub"), []byte("block"))) // in a chain
		synctest.Wait()
		check(t, h.Send(id("a/other"), []byte("1")))
		check(t, h.Send(id("a/other"), []byte("2")))
		synctest.Wait()
		equal(t, "heard while a/hub is held", string(heard), "0")
		close(gate)
		h.balance()
		equal(t, "heard", string(heard), "0123")
	})
}

// TestChainEndsWithQuota: a component sends no more in a chain than its quota allows.
func TestChainEndsWithQuota(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		for name, peer := range map[string]string{"a/one": "a/two", "a/two": "a/one"} {
			d := deployment(name, behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				_ = g.Send(peer, message)
				return nil, nil
			}})
			if d.Quota.MessagesPerSecond = 1; name == "a/two" {
				d.Quota.Burst = 10
			}
			check(t, h.Deploy(t.Context(), d))
		}
		check(t, h.Send(id("a/one"), nil))
		s := h.balance()
		equal(t, "sent", s.Sent, 1+11+11)
		equal(t, "refused", s.Refused["quota-exceeded"], 1)
		if h.ChainCalls() < 15 {
			t.Errorf("%d calls in chains, want 15 at least", h.ChainCalls())
		}
	})
}

// TestChainOfMany: a ring of components is called in chains, too.
func TestChainOfMany(t *testing.T) {
	for _, n := range []int{1, 3, 10, 100} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 1})
			const laps = 20
			left := laps * n
			for i := range n {
				next := fmt.Sprintf("r/%d", (i+1)%n)
				h.deploy(fmt.Sprintf("r/%d", i), behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
					if left--; left == 0 {
						return nil, nil
					}
					return nil, g.Send(next, message)
				}})
			}
			check(t, h.Send(id("r/0"), nil))
			s := h.balance()
			equal(t, "handled", s.Handled, laps*uint64(n))
			t.Logf("ring of %d: %d of %d calls in chains", n, h.ChainCalls(), s.Handled)
			if h.ChainCalls() < int64(s.Handled)*2/3 {
				t.Errorf("ring of %d: only %d of %d calls in chains", n, h.ChainCalls(), s.Handled)
			}
		})
	}
}

// TestResponseComesAfterMessage: a message that is sent while a request is handled comes
// before the response, in a chain and without one.
func TestResponseComesAfterMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		var order string
		h.deploy("a/client", behaviour{
			message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
				if sender == "a/server" {
					order += string(message)
					return nil, nil
				}
				_, err := g.Request("a/server", nil, time.Duration(message[0])*time.Millisecond)
				return nil, err
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error { order += "r"; return nil },
		})
		h.deploy("a/server", behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
			return nil, g.Send("a/client", []byte("m"))
		}})
		for _, timeout := range []byte{100, 100, 5, 5} { // a short one is the tracker's
			check(t, h.Send(id("a/client"), []byte{timeout}))
			h.balance()
		}
		equal(t, "order", order, "mrmrmrmr")
	})
}
