// Package floor measures the least that an engine needs for one operation of a cell:
// the crossings between host and guest with the payload copied, without checks,
// queues, or any other work of the host. A cell's figure is reported as a multiple of
// its floor.
//
// The crossings come one at a time and in the order in which a cell has them, between
// two components with a memory each. In a loop within the guest they would be cheaper
// than they ever are for a message.
//
// One operation of fire-and-forget is one call into a component, which passes the
// payload in one call into the host, and returns as much; the next operation is the
// other component's. Request-response is the same call into the first component, and
// one into the second, which only returns the payload. A call is one of the latter,
// always into the same component.
package floor

import (
	"context"
	"fmt"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// crossings returns the number of calls into the host, and into the guest, in one
// operation of a pattern.
func crossings(pattern cells.Pattern) (intoHost, intoGuest int) {
	switch pattern {
	case cells.FireAndForget:
		return 1, 1
	case cells.RequestResponse:
		return 1, 2
	}
	return 0, 1
}

// taker is the host, for components written in Go. The compiler does not know its
// type.
type taker interface{ take(payload []byte) }

// hostSide copies the payloads that it gets.
type hostSide struct {
	taken []byte
	calls int
}

func (h *hostSide) take(payload []byte) {
	h.calls++
	h.taken = append(h.taken[:0], payload...)
}

// guestSide is a component; inside is its memory.
type guestSide struct {
	host   taker
	inside []byte
	calls  int
}

func (g *guestSide) exchange(payload []byte) []byte {
	g.calls++
	g.inside = append(g.inside[:0], payload...)
	return g.inside
}

func (g *guestSide) relay(payload []byte) []byte {
	inside := g.exchange(payload)
	g.host.take(inside)
	return inside
}

// Native is the floor of components written in Go: plain indirect calls.
type Native struct {
	name                string
	intoHost, intoGuest int
	host                hostSide
	a, b                guestSide
	// turns are the calls into guests, which alternate.
	turns             [2]func(payload []byte) []byte
	payload, response []byte
	verified          int // calls, up to the last Verify
}

// NewNative returns the floor of a pattern and a payload in bytes.
func NewNative(pattern cells.Pattern, payload int) *Native {
	f := &Native{
		name:    fmt.Sprintf("floor of native, %s, %d B", pattern, payload),
		payload: make([]byte, payload), response: make([]byte, payload),
	}
	f.a.host, f.b.host = &f.host, &f.host
	f.intoHost, f.intoGuest = crossings(pattern)
	switch pattern {
	case cells.FireAndForget:
		f.turns = [2]func([]byte) []byte{f.a.relay, f.b.relay}
	case cells.RequestResponse:
		f.turns = [2]func([]byte) []byte{f.a.relay, f.b.exchange}
	default:
		f.turns = [2]func([]byte) []byte{f.a.exchange, f.a.exchange}
	}
	return f
}

// Name names the engine.
func (f *Native) Name() string { return f.name }

// Close does nothing.
func (f *Native) Close() error { return nil }

// Run does n operations.
func (f *Native) Run(_ context.Context, n int) (time.Duration, error) {
	start := time.Now()
	for i := range n * f.intoGuest {
		copy(f.response, f.turns[i&1](f.payload))
	}
	return time.Since(start), nil
}

// Verify returns a [CountError] unless n operations were done.
func (f *Native) Verify(_ context.Context, n int) error {
	calls := f.host.calls + f.a.calls + f.b.calls - f.verified
	f.verified += calls
	return check(calls, n*(f.intoHost+f.intoGuest))
}

// CountError says that a floor did not make as many calls as it claims.
type CountError struct {
	Got, Want int // calls
}

// Error gives both numbers.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d calls were made, want %d", e.Got, e.Want)
}

func check(got, want int) error {
	if got != want {
		return &CountError{got, want}
	}
	return nil
}
