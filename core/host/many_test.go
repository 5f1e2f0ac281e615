package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// numbered returns n requests with their numbers as payloads.
func numbered(n int) []host.Request {
	requests := make([]host.Request, n)
	for i := range requests {
		requests[i].Payload = fmt.Append(nil, i)
	}
	return requests
}

// echoed checks that each request was answered by its payload.
func echoed(t testing.TB, requests []host.Request) {
	t.Helper()
	for i := range requests {
		if r := &requests[i]; r.Err != nil || string(r.Response) != string(r.Payload) {
			t.Fatalf("request %d: %q, %v, want %q", i, r.Response, r.Err, r.Payload)
		}
	}
}

// TestRequestMany: each request has its own outcome, the component handles them in
// order, and the memory of responses is used again.
func TestRequestMany(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var order []string
		h.deploy("a/picky", responder(func(message []byte) ([]byte, error) {
			order = append(order, string(message))
			if strings.HasSuffix(string(message), "7") {
				return []byte("none"), errors.New("not this one")
			}
			return message, nil
		}))
		requests := numbered(100)
		for i := range requests {
			requests[i].Response = []byte("much older")
		}
		memory := &requests[99].Response[0]
		err := h.RequestMany(context.Background(), id("a/picky"), requests)
		if err != requests[7].Err {
			t.Errorf("got the error %v, want the first one, %v", err, requests[7].Err)
		}
		for i := range requests {
			r := &requests[i]
			equal(t, "handled", order[i], fmt.Sprint(i))
			if i%10 != 7 {
				echoed(t, requests[i:i+1])
			} else if !errors.Is(r.Err, core.ErrRequestFailed) || len(r.Response) > 0 {
				t.Errorf("request %d: %q, %v, want the component's error", i, r.Response, r.Err)
			}
		}
		if &requests[99].Response[0] != memory {
			t.Error("the response has new memory, though there was enough")
		}
		contains(t, "the error", err.Error(), "a/picky")
		s := h.balance()
		if s.Requests != 100 || s.Handled != 100 || s.Pending != 0 {
			t.Errorf("got %+v, want 100 requests", s)
		}
	})
}

// TestRequestManyOfFew: none and one, and the same payload several times.
func TestRequestManyOfFew(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		h.deploy("a/echo", echo)
		check(t, h.RequestMany(context.Background(), id("a/echo"), nil))
		check(t, h.RequestMany(context.Background(), id("a/none"), nil))
		one := numbered(1)
		one[0].Err = errors.New("of an earlier use")
		check(t, h.RequestMany(context.Background(), id("a/echo"), one))
		echoed(t, one)
		same := make([]host.Request, 70)
		for i := range same {
			same[i].Payload = one[0].Payload
		}
		check(t, h.RequestMany(within(t), id("a/echo"), same))
		echoed(t, same)
		equal(t, "handled", h.balance().Handled, 71)
	})
}

// TestRequestManyRefusals: requests that are too large are refused, and those of a
// component that is not there.
func TestRequestManyRefusals(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		d := deployment("a/echo", echo)
		d.Limits.MessageSize = 10
		check(t, h.Deploy(within(t), d))
		requests := numbered(40)
		for _, i := range []int{0, 20, 39} {
			requests[i].Payload = make([]byte, 11)
		}
		err := h.RequestMany(context.Background(), d.ID, requests)
		isError(t, "the first error", err, core.ErrInvalidArgument)
		for _, i := range []int{0, 20, 39} {
			isError(t, "a large request", requests[i].Err, core.ErrInvalidArgument)
		}
		echoed(t, requests[1:20])
		echoed(t, requests[21:39])
		for _, r := range numberedTo(h, "a/none", 3) {
			isError(t, "without a target", r.Err, core.ErrTargetNotFound)
		}
		s := h.balance() // a broker may refuse later, by a dead letter
		equal(t, "refused", s.Refused["invalid-argument"]+s.Refused["target-not-found"]+s.DeadLetters, 6)
	})
}

// numberedTo makes numbered requests of a target.
func numberedTo(h *testHost, target string, n int) []host.Request {
	requests := numbered(n)
	_ = h.RequestMany(context.Background(), id(target), requests)
	return requests
}

// breaking panics at the numbers given.
func breaking(at ...string) responder {
	return func(message []byte) ([]byte, error) {
		for _, bad := range at {
			if string(message) == bad {
				panic("at " + bad)
			}
		}
		return message, nil
	}
}

// TestRequestManyTraps: a trap ends one request. The others are answered by the next
// instance, or refused if there is none.
func TestRequestManyTraps(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		d := deployment("a/again", breaking("3", "50"))
		d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Microsecond, MaxBackoff: time.Microsecond}
		check(t, h.Deploy(within(t), d))
		requests := numberedTo(h, "a/again", 100)
		isError(t, "the first that traps", requests[3].Err, core.ErrRequestTrapped)
		isError(t, "the second that traps", requests[50].Err, core.ErrRequestTrapped)
		echoed(t, requests[:3])
		echoed(t, requests[4:50])
		echoed(t, requests[51:])

		d = deployment("a/once", breaking("3"))
		d.Restart.Policy = host.RestartTemporary
		check(t, h.Deploy(within(t), d))
		requests = numberedTo(h, "a/once", 40)
		echoed(t, requests[:3])
		isError(t, "the one that traps", requests[3].Err, core.ErrRequestTrapped)
		for i := range requests[4:] {
			isError(t, "after the end", requests[4+i].Err, core.ErrUnavailable)
		}
		s := h.balance()
		equal(t, "traps", s.Traps, 3)
		equal(t, "refused, or dead letters", s.Refused["unavailable"]+s.DeadLetters, 36+3)
	})
}

// TestRequestManyOfManyComponents: components that keep no watch slot of their own
// work, and may end.
func TestRequestManyOfManyComponents(t *testing.T) {
	h := start(t, host.Config{HeldUpWorkers: 64})
	for round := range 3 {
		for n := range 100 {
			name := fmt.Sprintf("a/echo%d-%d", round, n)
			d := deployment(name, breaking("4"))
			d.Restart.Policy = host.RestartTemporary
			check(t, h.Deploy(within(t), d))
			requests := numberedTo(h, name, 4)
			echoed(t, requests)
			requests = numberedTo(h, name, 6)
			isError(t, "at its end", requests[4].Err, core.ErrRequestTrapped)
			isError(t, "after its end", requests[5].Err, core.ErrUnavailable)
		}
	}
	equal(t, "traps", h.balance().Traps, 300)
}

// waits is a component that takes a time for each message, and notes how many wait
// for it at most.
type waits struct {
	h    *testHost
	id   core.ComponentID
	time time.Duration
	most int
}

func (w *waits) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	<-time.After(w.time)
	for _, c := range w.h.Components() {
		if c.ID == w.id {
			w.most = max(w.most, c.Waiting)
		}
	}
	return message, nil
}

// TestRequestManyWindow: if a worker runs the component, several requests wait for it,
// as many as it answers in good time and as leave others their places.
func TestRequestManyWindow(t *testing.T) {
	for name, test := range map[string]struct {
		time    time.Duration
		mailbox int
		most    int
	}{
		"fast":             {time.Millisecond, 0, 31},
		"slow":             {100 * time.Millisecond, 0, 0},
		"of a few places":  {time.Millisecond, 32, 7},
		"of no fourth one": {time.Millisecond, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				w := &waits{h: h, id: id("a/waits"), time: test.time}
				d := deployment("a/waits", w)
				d.Limits.Mailbox = test.mailbox
				check(t, h.Deploy(t.Context(), d))
				requests := numbered(100)
				ctx, cancel := context.WithCancel(context.Background()) // so that a worker runs it
				defer cancel()
				check(t, h.RequestMany(ctx, d.ID, requests))
				echoed(t, requests)
				equal(t, "requests that wait", w.most, test.most)
			})
		})
	}
}

// TestRequestManyBusy: requests of a busy component wait for it, and then others have
// their turn after 32 requests.
func TestRequestManyBusy(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		begun, held := make(chan struct{}), make(chan struct{})
		handled, other := 0, 0
		h.deploy("a/target", responder(func(message []byte) ([]byte, error) {
			switch string(message) {
			case "hold":
				close(begun)
				<-held
			case "other":
				other = handled
			case "100":
				check(t, h.Send(id("a/target"), []byte("other")))
			}
			handled++
			return message, nil
		}))
		check(t, h.Send(id("a/target"), []byte("hold")))
		receive(t, "the first message", begun)
		requests := numbered(200)
		done := background(func() error { return h.RequestMany(context.Background(), id("a/target"), requests) })
		close(held)
		check(t, receive(t, "the end", done))
		echoed(t, requests)
		if h.quiesce(); other < 102 || other > 102+32 {
			t.Errorf("another's message came after %d, want it after 102 to 134", other)
		}
	})
}

// TestRequestManyWatched: the handler time is for each request. A request that exceeds
// it ends alone.
func TestRequestManyWatched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		slow := &toy{message: func(i *toyInstance, message []byte) error {
			if string(message) == "20" {
				return i.hang()
			}
			<-time.After(30 * time.Millisecond)
			return nil
		}}
		d := toyDeployment("a/slow", slow)
		d.Limits.HandlerTime = 50 * time.Millisecond
		d.Restart = host.Restart{MaxRestarts: -1, Backoff: time.Microsecond, MaxBackoff: time.Microsecond}
		check(t, h.Deploy(t.Context(), d))
		requests := numberedTo(h, "a/slow", 40)
		for i := range requests {
			if trapped := errors.Is(requests[i].Err, core.ErrRequestTrapped); trapped != (i == 20) || !trapped && requests[i].Err != nil {
				t.Errorf("request %d: %v", i, requests[i].Err)
			}
		}
		equal(t, "traps", h.balance().Traps, 1)
	})
}

// TestRequestManyCut: Undeploy and Stop wait for the request in
// progress and not for those after it.
func TestRequestManyCut(t *testing.T) {
	for name, test := range map[string]struct {
		stop func(h *testHost) error
		want error
	}{
		"undeploy": {func(h *testHost) error { return h.Undeploy(context.Background(), id("a/slow")) }, core.ErrTargetNotFound},
		"stop":     {func(h *testHost) error { return h.Stop(context.Background()) }, core.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t, host.Config{})
				var stopped <-chan error
				var handled atomic.Int32
				h.deploy("a/slow", responder(func(message []byte) ([]byte, error) {
					if handled.Add(1); string(message) == "3" {
						stopped = background(func() error { return test.stop(h) })
					}
					<-time.After(10 * time.Millisecond)
					return message, nil
				}))
				requests := numberedTo(h, "a/slow", 40)
				check(t, receive(t, "the stop", stopped))
				echoed(t, requests[:4])
				for i := range requests[4:] {
					isError(t, "a later one", requests[4+i].Err, test.want)
				}
				equal(t, "handled", handled.Load(), 4)
				h.balance()
			})
		})
	}
}

// TestRequestManyCanceled: when the context ends, so do the requests without an
// outcome.
func TestRequestManyCanceled(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		h.deploy("a/slow", responder(func(message []byte) ([]byte, error) {
			if string(message) == "50" {
				cancel()
			}
			return message, nil
		}))
		requests := numbered(100)
		err := h.RequestMany(ctx, id("a/slow"), requests)
		isError(t, "the error", err, context.Canceled)
		echoed(t, requests[:25])
		for i := range requests[82:] {
			isError(t, "a late one", requests[82+i].Err, context.Canceled)
		}
		sent := h.balance().Sent
		requests = numbered(2)
		isError(t, "after the end", h.RequestMany(ctx, id("a/slow"), requests), context.Canceled)
		isError(t, "the other one", requests[1].Err, context.Canceled)
		equal(t, "sent", h.balance().Sent, sent)
	})
}

// TestRequestManyDeadline: a context with a time that is too short for another call
// does not let a fast component run on the caller's goroutine beyond it.
func TestRequestManyDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		slow := &toy{message: func(i *toyInstance, message []byte) error {
			select {
			case <-time.After(10 * time.Millisecond):
				return nil
			case <-i.interrupted:
				return i.hang()
			}
		}}
		check(t, h.Deploy(t.Context(), toyDeployment("a/slow", slow)))
		ctx, cancel := context.WithTimeout(context.Background(), 95*time.Millisecond)
		defer cancel()
		requests, began := numbered(40), time.Now()
		isError(t, "the error", h.RequestMany(ctx, id("a/slow"), requests), context.DeadlineExceeded)
		equal(t, "the time", time.Since(began), 95*time.Millisecond)
		for i := range requests {
			if want := i >= 9; errors.Is(requests[i].Err, context.DeadlineExceeded) != want {
				t.Errorf("request %d: %v", i, requests[i].Err)
			}
		}
	})
}

// TestRequestManyInABatch: an instance that takes several messages gets several
// requests at once. If it ends, so do the requests that it was given and has not
// handled.
func TestRequestManyInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instance := &batchInstance{held: make(chan struct{}), may: 100}
		close(instance.held)
		h := startBatch(t, instance)
		requests := numbered(40)
		err := h.RequestMany(context.Background(), batchID, requests)
		isError(t, "the first error", err, core.ErrRequestFailed)
		equal(t, "batches", fmt.Sprint(instance.batches), "[32 7]") // the first is alone: nobody knows whether it is fast
		equal(t, "the first", string(requests[0].Response), "alone")
		for i, r := range requests[1:] {
			if failed := i == 1 || i == 33; failed != errors.Is(r.Err, core.ErrRequestFailed) || !failed && string(r.Response) != fmt.Sprint("in a batch: ", i+1) {
				t.Errorf("request %d: %q, %v", i+1, r.Response, r.Err)
			}
		}
		instance.may, instance.batches = 5, nil
		requests = numbered(10)
		isError(t, "the first error", h.RequestMany(context.Background(), batchID, requests), core.ErrRequestFailed)
		for i, r := range requests {
			if trapped := i >= 5; trapped != errors.Is(r.Err, core.ErrRequestTrapped) {
				t.Errorf("request %d: %v", i, r.Err)
			}
		}
		check(t, h.Stop(context.Background()))
		if s := h.Snapshot(); s.Sent != 50 || s.Handled != 45 || s.DeadLetters != 5 || s.Traps != 1 {
			t.Errorf("got %+v, want 45 handled and 5 dead letters", s)
		}
	})
}

// TestRequestManyBytes: requests that are given to an instance at once are bounded in
// bytes.
func TestRequestManyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		instance := &batchInstance{held: make(chan struct{}), may: 100}
		close(instance.held)
		h := startBatch(t, instance)
		requests := numbered(7)
		for i := range requests[1:] {
			requests[1+i].Payload = make([]byte, 400<<10)
		}
		_ = h.RequestMany(context.Background(), batchID, requests)
		equal(t, "batches", fmt.Sprint(instance.batches), "[2 2 2]")
		check(t, h.Stop(context.Background()))
	})
}

// TestCallsDoNotAllocate: with room for responses nothing is allocated.
func TestCallsDoNotAllocate(t *testing.T) {
	if host.Raced {
		t.Skip("a build with -race allocates")
	}
	h := start(t, host.Config{})
	h.deploy("a/echo", echo)
	requests, target := numbered(100), id("a/echo")
	check(t, h.RequestMany(context.Background(), target, requests))
	for name, call := range map[string]func(){
		"RequestMany": func() { check(t, h.RequestMany(context.Background(), target, requests)) },
		"AppendRequest": func() {
			_, _ = h.AppendRequest(context.Background(), requests[0].Response[:0], target, requests[0].Payload)
		},
	} {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

// TestRequestManySends: the messages that the component sends for each request arrive
// once, in order.
func TestRequestManySends(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		var got []string
		h.deploy("a/sink", responder(func(message []byte) ([]byte, error) {
			got = append(got, string(message))
			return nil, nil
		}))
		h.deploy("a/relay", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return message, g.Send("a/sink", message)
		}})
		requests := numberedTo(h, "a/relay", 100)
		echoed(t, requests)
		h.balance()
		equal(t, "messages", len(got), 100)
		for i := range got {
			equal(t, "a message", got[i], fmt.Sprint(i))
		}
	})
}
