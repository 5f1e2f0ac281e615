package main

import (
	"bytes"
	"errors"
	"time"
)

// forwarder is a component of fire-and-forget that is written in Go.
type forwarder struct {
	handled uint64
	done    chan<- error // gets the end of the run
}

// take takes a message, and reports whether to send it to the other component.
func (p *forwarder) take(message []byte) bool {
	if wasSent(message) {
		p.handled++
	}
	if advance(message) {
		return true
	}
	p.done <- nil
	return false
}

// asker is a component that makes requests and is written in Go.
type asker struct {
	request   []byte // pending, or the next
	callbacks uint64
	done      chan<- error
}

// start begins a run of n requests, and reports whether to send the request.
func (a *asker) start(n int) bool {
	rewind(a.request, n)
	return advance(a.request)
}

// take takes a response, and reports whether to send the request again.
func (a *asker) take(response []byte) bool {
	if !bytes.Equal(response, a.request) {
		a.done <- errAltered
		return false
	}
	a.callbacks++
	if advance(a.request) {
		return true
	}
	a.done <- nil
	return false
}

// answerer is a component that answers each request with its own bytes.
type answerer struct {
	handled  uint64
	response []byte
}

// answer returns a response, which is valid until the next request.
func (a *answerer) answer(request []byte) []byte {
	a.handled++
	a.response = append(a.response[:0], request...)
	return a.response
}

// patience is the most time that a batch may take. No peer needs more than half a
// millisecond for an operation.
const patience = time.Minute

var errLost = errors.New("a message was lost, or the peer has stalled")

// await waits for the end of a batch.
func await(done <-chan error) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errLost
	}
}
