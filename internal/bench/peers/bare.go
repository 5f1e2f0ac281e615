package main

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"io"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// bareModule is the guest of engines without a host around them.
//
//go:embed guests/bare.wasm
var bareModule []byte

// bareGuest is a component: an instance with a memory of its own.
type bareGuest interface {
	// enter copies payload into the guest and calls the export. The response, if the
	// export has one, is valid until the next call.
	enter(export bareExport, payload []byte) (response []byte, err error)
	// counters returns the guest's own.
	counters() ([]byte, error)
}

// bareExport is a function of the guest that takes a message.
type bareExport int

const (
	bareHandle bareExport = iota
	bareAnswer
	bareStart
	bareCallback
)

// bareExports are the names in the module.
var bareExports = [...]string{"handle", "answer", "start", "callback"}

// bare is the least code with which two guests can message each other through an
// engine's public calls: a host function puts the message into a queue, a loop takes
// it out and calls the other guest. It has no ids, limits, capabilities, quotas,
// timeouts or metrics. Writers of their own host begin here.
type bare struct {
	guests  [2]bareGuest
	queue   bareQueue
	pattern cells.Pattern
	message []byte
	engine  io.Closer
}

// bareQueue holds messages in order. Its places and their buffers are used again.
type bareQueue struct {
	places     [8]bareMessage
	head, tail uint
}

type bareMessage struct {
	to      int // an index of bare.guests
	export  bareExport
	payload []byte
}

var errFull = errors.New("the queue is full")

func (q *bareQueue) push(to int, export bareExport, payload []byte) error {
	if q.tail-q.head == uint(len(q.places)) {
		return errFull
	}
	place := &q.places[q.tail%uint(len(q.places))]
	place.to, place.export = to, export
	place.payload = append(place.payload[:0], payload...)
	q.tail++
	return nil
}

// pop returns the first message, or nil. The message is valid until the next push.
func (q *bareQueue) pop() *bareMessage {
	if q.head == q.tail {
		return nil
	}
	q.head++
	return &q.places[(q.head-1)%uint(len(q.places))]
}

// run implements host.
func (b *bare) run(n int) error {
	if b.pattern == cells.Call {
		return call(b.call).times(n, b.message)
	}
	rewind(b.message, n)
	export := bareHandle
	if b.pattern == cells.RequestResponse {
		export = bareStart
	}
	if err := b.queue.push(0, export, b.message); err != nil {
		return err
	}
	return b.drain()
}

func (b *bare) call(payload []byte) ([]byte, error) {
	return b.guests[0].enter(bareAnswer, payload)
}

// drain passes messages on until the queue is empty. It queues the answer to a
// request for the guest that sent the request.
func (b *bare) drain() error {
	for m := b.queue.pop(); m != nil; m = b.queue.pop() {
		to, export := m.to, m.export
		response, err := b.guests[to].enter(export, m.payload)
		if err != nil {
			return err
		}
		if export != bareAnswer {
			continue
		}
		if err := b.queue.push(1-to, bareCallback, response); err != nil {
			return err
		}
	}
	return nil
}

// counts implements host.
func (b *bare) counts() (sum counts, err error) {
	for _, guest := range b.guests {
		counters, err := guest.counters()
		if err != nil {
			return sum, err
		}
		sum.Handled += binary.LittleEndian.Uint64(counters)
		sum.Callbacks += binary.LittleEndian.Uint64(counters[8:])
	}
	return sum, nil
}

// close implements host.
func (b *bare) close() error { return b.engine.Close() }

var errOutOfRange = errors.New("a guest pointed outside of its memory")
