package host_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

func TestFireAndForget(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		got := make(chan string, 1)
		h.deploy("a/target", behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
			got <- sender + " " + string(message)
			return []byte("ignored"), nil
		}})
		h.deploy("a/sender", behaviour{
			message: func(h guest.Host, _ string, _ []byte) ([]byte, error) {
				return nil, h.Send("a/target", []byte("hello"))
			},
			callback: func(guest.Host, guest.RequestID, []byte, error) error {
				t.Error("handle-callback was called for a fire-and-forget message")
				return nil
			},
		})
		h.do("a/sender")
		equal(t, "what the target got", receive(t, "message", got), "a/sender hello")
		s := h.balance()
		equal(t, "callbacks", s.Callbacks, 0)
	})
}

func TestSendFromGo(t *testing.T) {
	h := start(t, host.Config{})
	got := make(chan string, 1)
	h.deploy("a/target", behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
		got <- sender + " " + string(message)
		return nil, nil
	}})
	payload := []byte("hello")
	check(t, h.Send(id("a/target"), payload))
	copy(payload, "XXXXX") // after Send the caller may change it
	equal(t, "what the target got", receive(t, "message", got), core.HostID.String()+" hello")
	isError(t, "send to nobody", h.Send(id("a/nobody"), nil), core.ErrTargetNotFound)
	h.balance()
}

// outcomes records the arguments of handle-callback.
type outcomes struct {
	mu  sync.Mutex
	ids map[guest.RequestID]int
	got chan string
}

func newOutcomes() *outcomes {
	return &outcomes{ids: make(map[guest.RequestID]int), got: make(chan string, 100)}
}

func (o *outcomes) callback(_ guest.Host, id guest.RequestID, response []byte, failure error) error {
	o.mu.Lock()
	o.ids[id]++
	o.mu.Unlock()
	if failure != nil {
		o.got <- failure.Error()
	} else {
		o.got <- "ok " + string(response)
	}
	return nil
}

// requester sends a request for each message that it gets, with the same bytes.
func (o *outcomes) requester(target string, timeout time.Duration) behaviour {
	return behaviour{callback: o.callback, message: func(h guest.Host, _ string, message []byte) ([]byte, error) {
		id, err := h.Request(target, message, timeout)
		return binary.LittleEndian.AppendUint64(nil, uint64(id)), err
	}}
}

func TestRequestResponse(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		o := newOutcomes()
		h.deploy("a/echo", echo)
		h.deploy("a/asker", o.requester("a/echo", 0))
		_, err := h.request("a/asker", "question")
		check(t, err)
		equal(t, "outcome", receive(t, "callback", o.got), "ok question")
		s := h.balance()
		equal(t, "callbacks", s.Callbacks, 1)
		equal(t, "pending", s.Pending, 0)
		equal(t, "late", s.Late, 0)
	})
}

// TestFailedRequests: a requester gets the reason for which its target did not
// respond.
func TestFailedRequests(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		panics bool
		want   string
	}{
		{"failed", guest.Failed("out of stock"), false, "failed: out of stock"},
		{"any error", errors.New("disk full"), false, "failed: disk full"},
		{"invalid message", guest.InvalidMessage("no number"), false, "failed: invalid-message: no number"},
		{"unavailable", guest.Unavailable("warming up"), false, "failed: unavailable: warming up"},
		{"trapped", nil, true, "trapped: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			everyPart(t, func(t *testing.T, p parts) {
				h := p.start(t, host.Config{})
				o := newOutcomes()
				h.deploy("a/asker", o.requester("a/target", 0))
				h.deploy("a/target", responder(func([]byte) ([]byte, error) {
					if test.panics {
						panic("on purpose")
					}
					return []byte("not this"), test.err
				}))
				h.do("a/asker")
				contains(t, "outcome", receive(t, "callback", o.got), test.want)
				h.balance()
			})
		})
	}
}

// TestAnswersKeepTheirType: a component's own error reaches a Go program and another
// component with its type. Neither can take it for an error of the host.
func TestAnswersKeepTheirType(t *testing.T) {
	hosts := []error{core.ErrUnavailable, core.ErrRequestUnavailable, core.ErrTargetNotFound, core.ErrTargetRemoved}
	for _, answer := range []error{
		guest.InvalidMessage("no number"), guest.Unavailable("warming up"), guest.Failed("disk full"), guest.Failed("unavailable: host stopping"),
	} {
		everyPart(t, func(t *testing.T, p parts) {
			h := p.start(t, host.Config{})
			outcomes := make(chan error, 1)
			h.deploy("a/asker", behaviour{
				message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
					_, err := g.Request("a/target", message, 0)
					return nil, err
				},
				callback: func(_ guest.Host, _ guest.RequestID, _ []byte, err error) error { outcomes <- err; return nil },
			})
			h.deploy("a/target", responder(func([]byte) ([]byte, error) { return nil, answer }))
			_, direct := h.request("a/target", "")
			h.do("a/asker")
			asked := receive(t, "callback", outcomes)
			var told *core.ComponentError
			if !errors.As(direct, &told) || !errors.As(asked, new(*guest.ComponentError)) {
				t.Fatalf("got %v and %v, want component-errors", direct, asked)
			}
			for _, err := range []error{direct, asked} {
				isError(t, "outcome", err, answer)
				isError(t, "outcome", err, core.ErrRequestFailed)
				for _, other := range hosts {
					if errors.Is(err, other) {
						t.Errorf("%v is %v", err, other)
					}
				}
			}
		})
	}
}

// TestUnknownTarget: the error is the same with all parts.
func TestUnknownTarget(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		for _, target := range []core.ComponentID{id("a/nobody"), {}} {
			_, err := h.Request(t.Context(), target, nil)
			isError(t, "request", err, core.ErrTargetNotFound)
			isError(t, "message", h.Send(target, nil), core.ErrTargetNotFound)
		}
	})
}

func TestTimeout(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{RequestTimeout: 20 * time.Millisecond})
		release := make(chan struct{})
		o := newOutcomes()
		h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return []byte("late"), nil }))
		h.deploy("a/short", o.requester("a/slow", 10*time.Millisecond))
		h.deploy("a/default", o.requester("a/slow", 0))
		h.do("a/short")
		h.do("a/default")
		equal(t, "outcome", receive(t, "callback", o.got), "timeout")
		equal(t, "outcome", receive(t, "callback", o.got), "timeout")
		close(release)
		s := h.balance()
		equal(t, "timeouts", s.Timeouts, 2)
		equal(t, "late responses", s.Late, 1)
		equal(t, "requests that were dropped", s.Expired, 1)
		equal(t, "callbacks", s.Callbacks, 2)
	})
}

func TestCancel(t *testing.T) {
	h := start(t, host.Config{})
	release := make(chan struct{})
	o := newOutcomes()
	h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
	ids := make(chan guest.RequestID, 10)
	h.deploy("a/other", behaviour{message: func(h guest.Host, _ string, _ []byte) ([]byte, error) {
		id, err := h.Request("a/slow", nil, 0)
		ids <- id
		return nil, err
	}, callback: o.callback})
	h.deploy("a/asker", behaviour{callback: o.callback, message: func(h guest.Host, _ string, _ []byte) ([]byte, error) {
		id, err := h.Request("a/slow", nil, 0)
		check(t, err)
		foreign := <-ids
		isError(t, "cancel of a foreign request", h.Cancel(foreign), guest.ErrRequestNotFound)
		isError(t, "cancel of a forged request", h.Cancel(id+1<<32), guest.ErrRequestNotFound)
		isError(t, "cancel of request 0", h.Cancel(0), guest.ErrRequestNotFound)
		isError(t, "cancel of the highest id", h.Cancel(1<<64-1), guest.ErrRequestNotFound)
		check(t, h.Cancel(id))
		isError(t, "cancel of a canceled request", h.Cancel(id), guest.ErrRequestNotFound)
		return nil, nil
	}})
	h.do("a/other")
	h.do("a/asker")
	close(release)
	equal(t, "the other's outcome", receive(t, "callback", o.got), "ok ")
	s := h.balance()
	equal(t, "callbacks", s.Callbacks, 1)
	equal(t, "canceled", s.Canceled, 1)
	equal(t, "late", s.Late, 0)
	equal(t, "expired", s.Expired, 1)
}

func TestCancelOfFinishedRequest(t *testing.T) {
	h := start(t, host.Config{})
	var err error
	h.deploy("a/echo", echo)
	h.deploy("a/asker", behaviour{
		message: func(h guest.Host, _ string, _ []byte) ([]byte, error) {
			_, err := h.Request("a/echo", nil, 0)
			return nil, err
		},
		callback: func(h guest.Host, id guest.RequestID, _ []byte, _ error) error {
			err = h.Cancel(id)
			return nil
		},
	})
	h.do("a/asker")
	h.balance()
	isError(t, "cancel of a finished request", err, guest.ErrRequestNotFound)
}

// TestSelfMessages: a component may send messages to itself. Its calls are not
// nested.
func TestSelfMessages(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		depth, handled := 0, 0
		o := newOutcomes()
		self := o.requester("a/self", 0)
		self.message = func(h guest.Host, sender string, message []byte) ([]byte, error) {
			if depth++; depth > 1 {
				t.Error("a call is nested in another one")
			}
			defer func() { depth-- }()
			handled++
			if string(message) == "go" {
				_, err := h.Request("a/self", []byte("request"), 0)
				return nil, errors.Join(err, h.Send("a/self", []byte("message")))
			}
			return message, nil
		}
		h.deploy("a/self", self)
		_, err := h.request("a/self", "go")
		check(t, err)
		equal(t, "outcome", receive(t, "callback", o.got), "ok request")
		h.balance()
		equal(t, "handled", handled, 3)
	})
}

// TestOrder: the messages of one sender to one receiver arrive in their order, while
// several senders send.
func TestOrder(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		const senders, each = 4, 200
		h := p.start(t, host.Config{Workers: 4})
		var mu sync.Mutex
		last := map[string]uint64{}
		target := deployment("a/target", behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			n := binary.LittleEndian.Uint64(message)
			if n != last[sender]+1 {
				t.Errorf("order: %s: got %d after %d", sender, n, last[sender])
			}
			last[sender] = n
			return nil, nil
		}})
		target.Limits.Mailbox = senders * each
		check(t, h.Deploy(within(t), target))
		for i := range senders {
			h.deploy(fmt.Sprintf("s/%d", i), behaviour{message: func(h guest.Host, _ string, _ []byte) ([]byte, error) {
				for n := uint64(1); n <= each; n++ {
					if err := h.Send("a/target", binary.LittleEndian.AppendUint64(nil, n)); err != nil {
						return nil, err
					}
				}
				return nil, nil
			}})
		}
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() { h.do(fmt.Sprintf("s/%d", i)) })
		}
		wg.Wait()
		h.balance()
		equal(t, "senders heard", len(last), senders)
	})
}

// TestReservedCallbacks: a full mailbox refuses messages, but never an outcome.
func TestReservedCallbacks(t *testing.T) {
	h := start(t, host.Config{})
	o := newOutcomes()
	entered, release := make(chan struct{}), make(chan struct{})
	asker := o.requester("a/echo", 0)
	request := asker.message
	asker.message = func(g guest.Host, sender string, message []byte) ([]byte, error) {
		if string(message) != "go" {
			return nil, nil
		}
		for range 3 {
			if _, err := request(g, sender, message); err != nil {
				t.Error(err)
			}
		}
		close(entered)
		<-release
		return nil, nil
	}
	d := deployment("a/asker", asker)
	d.Limits.Mailbox = 1
	check(t, h.Deploy(within(t), d))
	h.deploy("a/echo", echo)
	check(t, h.Send(id("a/asker"), []byte("go")))
	receive(t, "entering", entered)
	check(t, h.Send(id("a/asker"), []byte("fills the mailbox")))
	isError(t, "send to a full mailbox", h.Send(id("a/asker"), nil), core.ErrQueueFull)
	close(release)
	for range 3 {
		equal(t, "outcome", receive(t, "callback", o.got), "ok go")
	}
	s := h.balance()
	equal(t, "refused for a full mailbox", s.Refused["queue-full"], 1)
}

// lateContext ends 50 ms after its deadline, as a context may on a busy machine.
type lateContext struct{ context.Context }

func (c lateContext) Deadline() (time.Time, bool) {
	deadline, limited := c.Context.Deadline()
	return deadline.Add(-50 * time.Millisecond), limited
}

func TestRequestFromGo(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{RequestTimeout: 30 * time.Millisecond})
		release := make(chan struct{})
		h.deploy("a/echo", echo)
		h.deploy("a/slow", responder(func([]byte) ([]byte, error) { <-release; return nil, nil }))
		h.deploy("a/broken", responder(func([]byte) ([]byte, error) { panic("on purpose") }))
		for _, ctx := range []context.Context{context.Background(), within(t)} {
			response, err := h.Request(ctx, id("a/echo"), []byte("hello"))
			check(t, err)
			equal(t, "response", string(response), "hello")
			response, err = h.Request(ctx, id("a/echo"), nil)
			check(t, err)
			equal(t, "empty response", string(response), "")
			response, err = h.AppendRequest(ctx, append(make([]byte, 0, 64), "dear "...), id("a/echo"), []byte("hello"))
			check(t, err)
			equal(t, "response appended", string(response), "dear hello")
			equal(t, "capacity of what it was appended to", cap(response), 64)
			response, err = h.AppendRequest(ctx, []byte("dear "), id("a/broken"), nil)
			isError(t, "appending a trap", err, core.ErrRequestTrapped)
			equal(t, "response of a trap", len(response), 0)
			_, err = h.Request(ctx, id("a/nobody"), nil)
			isError(t, "request to nobody", err, core.ErrTargetNotFound)
			_, err = h.Request(ctx, id("a/broken"), nil)
			isError(t, "request that traps", err, core.ErrRequestTrapped)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		_, err := h.Request(ctx, id("a/slow"), nil)
		isError(t, "request after its deadline", err, context.DeadlineExceeded)
		cancel()
		_, err = h.Request(ctx, id("a/echo"), nil)
		isError(t, "request with an ended context", err, context.DeadlineExceeded)
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(5*time.Millisecond, cancel)
		_, err = h.Request(ctx, id("a/slow"), nil)
		isError(t, "canceled request", err, context.Canceled)
		ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err = h.Request(lateContext{ctx}, id("a/slow"), nil)
		isError(t, "request with a context that ends late", err, context.DeadlineExceeded)
		cancel()
		// The component is busy by now. Without a deadline the default timeout
		// holds.
		_, err = h.Request(context.Background(), id("a/slow"), nil)
		isError(t, "request without an answer", err, core.ErrTimeout)
		close(release)
		h.balance()
	})
}
