package host_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestShortHandlerTimeInChain: a component with a shorter handler time than the watchdog
// can see in a chain is in none.
func TestShortHandlerTimeInChain(t *testing.T) {
	for _, short := range []string{"", "a/one", "a/two"} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 1})
			for name, peer := range map[string]string{"a/one": "a/two", "a/two": "a/one"} {
				d := deployment(name, behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
					if len(message) == 0 {
						return nil, nil
					}
					return nil, g.Send(peer, message[1:])
				}})
				if name == short {
					d.Limits.HandlerTime = time.Millisecond
				}
				check(t, h.Deploy(t.Context(), d))
			}
			check(t, h.Send(id("a/one"), make([]byte, 20)))
			h.balance()
			if chained := h.ChainCalls() > 0; chained != (short == "") {
				t.Errorf("with a short handler time of %q: %d calls in chains", short, h.ChainCalls())
			}
		})
	}
}

// TestLongestChain: a chain handles 32 messages, and then the worker looks for other work.
func TestLongestChain(t *testing.T) {
	for sent, calls := range map[int]int64{31: 31, 32: 32, 33: 33, 34: 33} { // the end counts as one
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 1})
			left := 3
			for name, peer := range map[string]string{"a/one": "a/two", "a/two": "a/one"} {
				h.deploy(name, behaviour{message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
					if left--; left == 0 {
						return nil, nil
					}
					return nil, g.Send(peer, nil)
				}})
			}
			check(t, h.Send(id("a/one"), nil)) // both get their credit
			h.balance()
			left = sent
			before := h.ChainCalls()
			check(t, h.Send(id("a/one"), nil))
			h.balance()
			equal(t, fmt.Sprintf("calls in chains of %d messages", sent), h.ChainCalls()-before, calls)
		})
	}
}

// TestChainsLeaveWorkToOthers: components that send to each other without end do not keep
// the worker from the shared queue.
func TestChainsLeaveWorkToOthers(t *testing.T) {
	for kind, most := range map[string]int{"message": 61, "request": 60} {
		longest := 0
		for at := range 130 {
			bubble(t, func(t *testing.T) { longest = max(longest, callsBeforeOther(t, kind, at+10)) })
		}
		equal(t, "calls for each "+kind+" before one of the shared queue", longest, most)
	}
}

// callsBeforeOther lets two components call each other, and queues a third one in call
// number at. It returns the number of calls before the third one was called.
func callsBeforeOther(t *testing.T, kind string, at int) (waited int) {
	h := start(t, host.Config{Workers: 1})
	calls, other := 0, 0
	next := func(g guest.Host, to string) (err error) {
		if calls++; calls == at {
			check(t, h.Send(id("a/other"), nil))
		}
		switch {
		case calls >= at+300:
		case kind == "message":
			err = g.Send(to, nil)
		case to == "a/two":
			_, err = g.Request(to, nil, 0)
		}
		return err
	}
	for name, peer := range map[string]string{"a/one": "a/two", "a/two": "a/one"} {
		h.deploy(name, behaviour{
			message:  func(g guest.Host, _ string, _ []byte) ([]byte, error) { return nil, next(g, peer) },
			callback: func(g guest.Host, _ guest.RequestID, _ []byte, _ error) error { return next(g, peer) },
		})
	}
	h.deploy("a/other", responder(func([]byte) ([]byte, error) { other = calls; return nil, nil }))
	check(t, h.Send(id("a/one"), nil))
	h.balance()
	return other - at
}

// TestOldMessageBeforeChain: a message that came while the first call was in progress comes
// before one that a chain brings.
func TestOldMessageBeforeChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 2})
		gate := make(chan struct{})
		var heard string
		h.deploy("a/hub", behaviour{message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
			if sender == "a/back" {
				heard += string(message)
				return nil, nil
			}
			if string(message) == "2" {
				<-gate
			}
			return nil, g.Send("a/back", message)
		}})
		h.deploy("a/back", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/hub", message)
		}})
		check(t, h.Send(id("a/hub"), []byte("0")))
		synctest.Wait()
		check(t, h.Send(id("a/hub"), []byte("2")))
		synctest.Wait()
		check(t, h.Send(id("a/back"), []byte("1")))
		synctest.Wait()
		close(gate)
		h.balance()
		equal(t, "heard", heard, "012")
	})
}

// TestUndeployBeforeChain: a component that is to be removed begins no chain.
func TestUndeployBeforeChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		first, second := make(chan struct{}), make(chan struct{})
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if len(message) > 0 {
				<-first
			}
			return nil, g.Send("a/two", message)
		}})
		h.deploy("a/two", behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			if len(message) > 0 {
				<-second
			}
			return nil, nil
		}})
		check(t, h.Send(id("a/one"), nil))
		synctest.Wait()
		check(t, h.Send(id("a/one"), []byte("wait")))
		synctest.Wait()
		begun := time.Now()
		undeployed := make(chan error)
		go func() { undeployed <- h.Undeploy(context.Background(), id("a/one")) }()
		synctest.Wait()
		close(first)
		check(t, <-undeployed)
		equal(t, "time to undeploy", time.Since(begun), 0)
		close(second)
		h.balance()
	})
}

// TestEndedInstanceBeginsNoChain: if the instance of a first call has ended, what its
// chain would bring is for the next instance.
func TestEndedInstanceBeginsNoChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		toy := &lastingToy{}
		h := start(t, host.Config{Workers: 1})
		d := toyDeployment("a/toy", &toy.toy)
		d.Source.Value = toy
		check(t, h.Deploy(t.Context(), d))
		answers := false
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, _ []byte) (_ []byte, err error) {
			if answers = !answers; answers {
				err = g.Send("a/toy", nil)
			}
			return nil, err
		}})
		for range 2 { // by its mailbox comes the toy's third call, in which its instance ends
			check(t, h.Send(id("a/toy"), nil))
			h.balance()
		}
		equal(t, "messages to an instance that has ended", toy.late.Load(), 0)
		equal(t, "traps of a/toy", h.component("a/toy").Counters.Traps, 1)
		equal(t, "dead letters", h.Snapshot().DeadLetters, 0)
	})
}

// TestBrokenCallSends: the guest may send by its credit after the watchdog has broken its
// chain. Nothing is counted twice or changed.
func TestBrokenCallSends(t *testing.T) {
	for _, kind := range []string{"message", "request"} {
		bubble(t, func(t *testing.T) {
			h := start(t, host.Config{Workers: 1})
			gate := make(chan struct{})
			var heard, ends []string
			h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				return nil, g.Send("a/two", message)
			}})
			d := deployment("a/two", behaviour{
				message: func(g guest.Host, _ string, message []byte) (_ []byte, err error) {
					if string(message) == "block" {
						<-gate
					}
					answer := "from " + string(message)
					if kind == "message" {
						err = g.Send("a/three", []byte(answer))
					} else {
						_, err = g.Request("a/three", []byte(answer), 0)
					}
					return nil, err
				},
				callback: func(_ guest.Host, _ guest.RequestID, response []byte, failure error) error {
					ends = append(ends, fmt.Sprint(string(response), failure))
					return nil
				},
			})
			d.Quota = host.Quota{MessagesPerSecond: 1, Burst: 4, PendingRequests: 10}
			check(t, h.Deploy(t.Context(), d))
			h.deploy("a/three", responder(func(message []byte) ([]byte, error) {
				heard = append(heard, string(message))
				return slices.Clone(message), nil
			}))
			for _, text := range []string{"a", "b", "block"} {
				check(t, h.Send(id("a/one"), []byte(text)))
				synctest.Wait()
			}
			<-time.After(10 * time.Millisecond)
			close(gate)
			h.balance()
			equal(t, "heard", join(heard), "from a from b from block")
			check(t, h.Send(id("a/one"), []byte("c"))) // the last one of the quota's four
			s := h.balance()
			equal(t, "refused of four messages", s.Refused["quota-exceeded"], 0)
			check(t, h.Send(id("a/one"), []byte("d")))
			equal(t, "refused of five messages", h.balance().Refused["quota-exceeded"], 1)
			if kind == "request" {
				equal(t, "ends", join(ends), "from a<nil> from b<nil> from block<nil> from c<nil>")
			}
		})
	}
}

// TestIDsInChain: each request in a chain has an id of its own, by which its response
// comes.
func TestIDsInChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		const requests = 200
		seen := make(map[guest.RequestID]bool)
		var last guest.RequestID
		ask := func(g guest.Host) (err error) {
			if len(seen) == requests {
				return nil
			}
			last, err = g.Request("a/two", nil, 0)
			if seen[last] {
				t.Errorf("the id of request %d is not new", len(seen))
			}
			seen[last] = true
			return err
		}
		h.deploy("a/one", behaviour{
			message: func(g guest.Host, _ string, _ []byte) ([]byte, error) { return nil, ask(g) },
			callback: func(g guest.Host, id guest.RequestID, _ []byte, _ error) error {
				equal(t, "id of a response", id, last)
				return ask(g)
			},
		})
		h.deploy("a/two", echo)
		check(t, h.Send(id("a/one"), nil))
		equal(t, "callbacks", h.balance().Callbacks, requests)
		if h.ChainCalls() < requests {
			t.Errorf("%d calls in chains", h.ChainCalls())
		}
	})
}

// TestWatchAfterChain: once a chain has ended or was broken, the watchdog sees the call in
// progress of its worker, and another worker runs what the guest has sent.
func TestWatchAfterChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		gate := make(chan struct{})
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "block" {
				<-gate
			}
			return nil, g.Send("a/two", message)
		}})
		h.deploy("a/two", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			if string(message) == "go" {
				check(t, h.Send(id("a/one"), []byte("block")))
			}
			return nil, g.Send("a/short", message)
		}})
		d := deployment("a/short", echo)
		d.Limits.HandlerTime = time.Millisecond // a chain ends before it
		check(t, h.Deploy(t.Context(), d))
		check(t, h.Send(id("a/one"), nil))
		synctest.Wait()
		before := h.ChainCalls()
		check(t, h.Send(id("a/one"), []byte("go")))
		<-time.After(10 * time.Millisecond)
		equal(t, "calls in chains", h.ChainCalls()-before, 2)
		equal(t, "messages handled while a/one is called", h.component("a/short").Counters.Handled, 2)
		close(gate)
		h.balance()
	})
}

// TestNoChainIsLeft: a component whose chain did not begin is not taken for one that a
// later chain holds.
func TestNoChainIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		gate := make(chan struct{})
		var order string
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			order += string(message)
			if string(message) == "block" {
				<-gate
				order += " end "
			}
			return nil, g.Send("a/short", nil)
		}})
		d := deployment("a/short", echo)
		d.Limits.HandlerTime = time.Millisecond
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/other", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/one", message)
		}})
		for _, text := range []string{"1", "2"} {
			check(t, h.Send(id("a/other"), []byte(text)))
			h.balance()
			check(t, h.Send(id("a/one"), []byte(text)))
			h.balance()
		}
		blocked := make(chan error)
		go func() {
			_, err := h.Request(context.Background(), id("a/one"), []byte("block"))
			blocked <- err
		}()
		synctest.Wait()
		check(t, h.Send(id("a/other"), []byte("3")))
		synctest.Wait()
		close(gate)
		check(t, <-blocked)
		equal(t, "dead letters", h.balance().DeadLetters, 0)
		equal(t, "order", order, "1122block end 3")
	})
}

// TestOldChain: the watchdog counts the time of a call in a chain, and not that since the
// component's last call.
func TestOldChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := startChain(t, time.Minute, host.Config{Workers: 1})
		c.tell("!") // the watchdog sees this call
		<-time.After(10 * time.Millisecond)
		c.gate <- struct{}{}
		<-time.After(time.Hour)
		c.tell("?!")
		<-time.After(10 * time.Millisecond)
		equal(t, "traps", c.end("?!<nil>").Traps, 0)
	})
}

// TestTrapEndsChainAtOnce: a chain whose call has failed does not wait for the watchdog.
func TestTrapEndsChainAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 1})
		h.deploy("a/one", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/two", message)
		}})
		h.deploy("a/two", responder(func(message []byte) ([]byte, error) {
			if len(message) > 0 {
				panic("on purpose")
			}
			return nil, nil
		}))
		check(t, h.Send(id("a/one"), nil))
		synctest.Wait()
		check(t, h.Send(id("a/one"), []byte("payload")))
		synctest.Wait() // no time passes
		letters := h.DeadLetters()
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		equal(t, "its payload", string(letters[0].Payload), "payload")
		equal(t, "its sender", letters[0].Sender, id("a/one"))
		equal(t, "whether it is a request", letters[0].Request, false)
	})
}

// TestOverrunInChain: the watchdog interrupts a call that a chain has begun after its
// handler time, and not before.
func TestOverrunInChain(t *testing.T) {
	for took, traps := range map[time.Duration]uint64{59 * time.Second: 0, 61 * time.Second: 1} {
		bubble(t, func(t *testing.T) {
			c := startChain(t, time.Minute, host.Config{Workers: 1})
			c.tell("!")
			<-time.After(took)
			equal(t, fmt.Sprintf("traps in a call of %v", took), c.end().Traps, traps)
		})
	}
}
