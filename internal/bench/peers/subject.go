package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// host is another project's host, with the components that one pattern needs. One
// goroutine at a time uses it.
type host interface {
	// run does n operations, from 1 to batch. It returns an error where a response is
	// wrong.
	run(n int) error
	// counts returns the components' own counts so far.
	counts() (counts, error)
	close() error
}

// counts are numbers of messages that components got from others: Handled as messages
// or requests, Callbacks as responses to requests.
type counts struct{ Handled, Callbacks uint64 }

// batch is the number of operations after which a subject looks whether to end the
// run. Starting a batch costs a few microseconds at most.
const batch = 4096

// subject measures a host.
type subject struct {
	host
	name    string
	pattern cells.Pattern
	known   counts // after the last Verify
}

var _ remote.Subject = (*subject)(nil)

// Name implements [remote.Subject].
func (s *subject) Name() string { return s.name }

// Run implements [remote.Subject].
func (s *subject) Run(ctx context.Context, n int) (time.Duration, error) {
	start := time.Now()
	for left := n; left > 0; left -= batch {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := s.run(min(left, batch)); err != nil {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return time.Since(start), nil
}

// Verify implements [remote.Subject]: the components must have counted as many
// messages as n operations are made of.
func (s *subject) Verify(_ context.Context, n int) error {
	now, err := s.counts()
	if err != nil {
		return fmt.Errorf("counting what %s did: %w", s.name, err)
	}
	got := counts{now.Handled - s.known.Handled, now.Callbacks - s.known.Callbacks}
	s.known = now
	want := counts{Handled: uint64(n)}
	if s.pattern == cells.RequestResponse {
		want.Callbacks = want.Handled
	}
	if got != want {
		return fmt.Errorf("%s: %w: its components counted %+v, want %+v", s.name, errCount, got, want)
	}
	return nil
}

// Close implements [remote.Subject].
func (s *subject) Close() error { return s.close() }

var (
	// errCount says that a peer has not done the operations that it claims.
	errCount = errors.New("operations were skipped or repeated")
	// errAltered says that a payload has changed.
	errAltered = errors.New("a payload came back with other bytes than were sent")
)

// A message begins with two numbers of 8 bytes: the number of messages still to be
// sent, and the number sent so far. guests/src/guest.h has the same.
const (
	leftAt     = 0
	sentAt     = 8
	headerSize = 16
	filler     = 'x' // text, as some peers have no other payload
)

// newMessage returns a message of size bytes with none still to be sent.
func newMessage(size int) []byte {
	message := bytes.Repeat([]byte{filler}, size)
	rewind(message, 0)
	return message
}

// rewind sets the number sent to 0 and the number still to be sent to left.
func rewind(message []byte, left int) {
	binary.LittleEndian.PutUint64(message[leftAt:], uint64(left))
	binary.LittleEndian.PutUint64(message[sentAt:], 0)
}

// wasSent reports whether a component has sent the message. Otherwise it starts the
// run.
func wasSent(message []byte) bool { return binary.LittleEndian.Uint64(message[sentAt:]) != 0 }

// advance counts one more sending. It returns false if no more messages are to be
// sent.
func advance(message []byte) bool {
	left := binary.LittleEndian.Uint64(message[leftAt:])
	if left == 0 {
		return false
	}
	binary.LittleEndian.PutUint64(message[leftAt:], left-1)
	binary.LittleEndian.PutUint64(message[sentAt:], binary.LittleEndian.Uint64(message[sentAt:])+1)
	return true
}

// call is one call of a plug-in: payload in, response out.
type call func(payload []byte) (response []byte, err error)

// times calls n times, one after the other, and checks each response.
func (c call) times(n int, payload []byte) error {
	for range n {
		response, err := c(payload)
		if err != nil {
			return err
		}
		if !bytes.Equal(response, payload) {
			return errAltered
		}
	}
	return nil
}
