package host_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// TestAs: components see the part of the program that sends, whichever way a message takes.
func TestAs(t *testing.T) {
	h := start(t, host.Config{})
	h.deploy("a/target", behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
		if string(message) == "trap" {
			panic("on purpose")
		}
		return fmt.Append(nil, sender, " ", string(message)), nil
	}})
	for _, name := range []string{"gateway", "host"} {
		caller, err := h.As(id(core.HostNamespace + "/" + name))
		check(t, err)
		for way, ctx := range map[string]context.Context{"directly": context.Background(), "through the mailbox": within(t)} {
			got, err := caller.Request(ctx, id("a/target"), []byte("hello"))
			check(t, err)
			equal(t, way, string(got), caller.ID().String()+" hello")
			_, err = caller.Request(ctx, id("a/target"), []byte("trap"))
			isError(t, way, err, core.ErrRequestTrapped)
			h.quiesce()
		}
		check(t, caller.Send(id("a/target"), []byte("trap")))
		h.quiesce()
		for _, l := range h.DeadLetters() {
			equal(t, "sender of a dead letter", l.Sender, caller.ID())
			check(t, h.DropDeadLetter(l.Number))
		}
		isError(t, "message to nobody", caller.Send(id("a/nobody"), nil), core.ErrTargetNotFound)
	}
	_, err := h.As(id("a/target"))
	isError(t, "the name of a component", err, core.ErrInvalidID)
	h.balance()
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

// lateContext ends 50 ms after its deadline, as a context may on a busy machine.
type lateContext struct{ context.Context }

func (c lateContext) Deadline() (time.Time, bool) {
	deadline, limited := c.Context.Deadline()
	return deadline.Add(-50 * time.Millisecond), limited
}

func TestRequestFromGo(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{RequestTimeout: time.Second})
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
