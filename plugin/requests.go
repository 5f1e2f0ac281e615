package plugin

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/airhost/airhost/guest"
)

// Requests sends requests and waits for their outcomes, on goroutines of the process, such as
// those of an HTTP server. A component embeds it, and so is a [guest.CallbackHandler]:
//
//	type ingress struct {
//		plugin.Requests
//		…
//	}
//
// A component that handles other callbacks too passes all of them to HandleCallback. The zero
// value is ready to use.
type Requests struct {
	mu      sync.Mutex
	pending map[guest.RequestID]chan<- outcome
}

type outcome struct {
	response []byte
	err      error
}

// requester is the host of [Serve].
type requester interface {
	request(target string, request []byte, timeout time.Duration, taken func(guest.RequestID)) (guest.RequestID, error)
}

// Do sends a request by host and waits for the outcome. The error is that of host.Request, or
// a [guest.RequestError], or that of ctx, with which Do cancels the request. Do may be called from any
// goroutine, but not from a method that the host calls: the outcome comes by another call.
func (r *Requests) Do(ctx context.Context, host guest.Host, target string, request []byte, timeout time.Duration) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ended := make(chan outcome, 1)
	wait := func(id guest.RequestID) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.pending == nil {
			r.pending = make(map[guest.RequestID]chan<- outcome)
		}
		r.pending[id] = ended
	}
	id, err := send(host, target, request, timeout, wait)
	if err != nil {
		return nil, err
	}
	select {
	case o := <-ended:
		return o.response, o.err
	case <-ctx.Done():
	}
	r.take(id)
	_ = host.Cancel(id) // an outcome that comes in the same moment is dropped
	return nil, ctx.Err()
}

// send sends a request, and calls taken with its id before the outcome comes. With the host of a
// test that calls the component's methods itself, this is before Do returns.
func send(host guest.Host, target string, request []byte, timeout time.Duration, taken func(guest.RequestID)) (guest.RequestID, error) {
	if h, ok := host.(requester); ok {
		return h.request(target, request, timeout, taken)
	}
	id, err := host.Request(target, request, timeout)
	if err == nil {
		taken(id)
	}
	return id, err
}

// HandleCallback implements [guest.CallbackHandler]. It ignores the outcomes of requests that Do
// does not wait for.
func (r *Requests) HandleCallback(_ guest.Host, id guest.RequestID, response []byte, failure error) error {
	if ended := r.take(id); ended != nil {
		ended <- outcome{bytes.Clone(response), failure}
	}
	return nil
}

// take forgets a request, and returns where its outcome goes, or nil.
func (r *Requests) take(id guest.RequestID) chan<- outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	ended := r.pending[id]
	delete(r.pending, id)
	return ended
}
