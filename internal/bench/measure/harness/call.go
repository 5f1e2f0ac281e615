package harness

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// background has no end, like the context of a program that relies on the host's own
// timeout.
var background = context.Background()

// calls makes n requests in the cell's way, one after the other.
func (h *Harness) calls(ctx context.Context, n int) (time.Duration, error) {
	request, way := guests.NewMessage(guests.OpEcho, 0, h.key.PayloadBytes), h.call
	switch h.key.Part {
	case cells.CallRequest:
		way = h.callForCopies
	case cells.CallMany:
		way = h.callMany
	}
	start := time.Now()
	err := way(ctx, h.starts[0], request, n)
	return time.Since(start), err
}

// call makes the same request of target n times, one after the other. It has room for
// the response.
func (h *Harness) call(ctx context.Context, target core.ComponentID, request []byte, n int) error {
	room := make([]byte, 0, len(request))
	for i := range n {
		response, err := h.host.AppendRequest(background, room, target, request)
		if err != nil || !bytes.Equal(response, request) || endsAt(ctx, i) {
			return badCall(ctx, target, err)
		}
	}
	return nil
}

// callForCopies is call with a response in new memory each time.
func (h *Harness) callForCopies(ctx context.Context, target core.ComponentID, request []byte, n int) error {
	for i := range n {
		response, err := h.host.Request(background, target, request)
		if err != nil || !bytes.Equal(response, request) || endsAt(ctx, i) {
			return badCall(ctx, target, err)
		}
	}
	return nil
}

// callMany is call with [cells.ManyCalls] requests at a time.
func (h *Harness) callMany(ctx context.Context, target core.ComponentID, request []byte, n int) error {
	requests := make([]host.Request, cells.ManyCalls)
	for i := range requests {
		requests[i] = host.Request{Payload: request, Response: make([]byte, 0, len(request))}
	}
	for done := 0; done < n; {
		now := requests[:min(len(requests), n-done)]
		err := h.host.RequestMany(background, target, now)
		for i := range now {
			if err != nil || !bytes.Equal(now[i].Response, request) || endsAt(ctx, done+i) {
				return badCall(ctx, target, err)
			}
		}
		done += len(now)
	}
	return nil
}

// endsAt reports whether ctx has ended. It looks once in 4,096 requests.
func endsAt(ctx context.Context, i int) bool { return i&0xfff == 0xfff && ctx.Err() != nil }

// badCall returns the error of a request that returned err.
func badCall(ctx context.Context, target core.ComponentID, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("calling %s: %w", target, err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("calling %s: %w", target, ErrResponse)
}
