// Package guests holds the guests that benchmarks run: small, without
// allocation, and counting their messages, so that a runner can check that
// nothing was skipped. Each exists as WebAssembly, built from the C source
// in src by scripts/build-guests.sh, and as a Go value of the same behaviour
// for the native engine.
//
// # Protocol
//
// Both are configured with "peer", the id of the component at the other end,
// and "done", the id of the component that gets the end of each run. Any other
// key is an error. The first byte of a message is its operation; numbers are
// little-endian u64. Bytes from 24 on are payload that nobody changes.
//
//	byte 0     operation
//	byte 2     place: u16, of the run that a request belongs to
//	byte 8     number: hops left, rounds left
//	byte 16    sequence: one higher in every hop and every request
//
// [PingPong] understands
//
//	'B' ball   at least 24 bytes. With hops left it is sent on to peer with one
//	           hop less; otherwise done is told. A ball that is thrown in with n
//	           hops is handled n+1 times and sent n times. Number + sequence
//	           stay the same, also to the end of the run. Any number of balls
//	           may be in the air.
//
// [RoundTrip], which both sends requests and answers them, understands
//
//	'S' start  at least 24 bytes, which become the request, its first byte 'R';
//	           as many requests as rounds go to peer, each sent when the one
//	           before was answered. With n rounds left it has n as its number;
//	           the first has the start's sequence + 1. With 0 rounds done is
//	           told at once. Up to [MaxRuns] runs may be under way, and one more
//	           start fails; all of them have the payload of the last start.
//	'R'        a request: the response is the same bytes.
//
// A response must have the id of its run's pending request and all of its bytes,
// or else it is a mismatch. Both guests understand
//
//	'C'        the response is the six [Counters]; it is not counted itself.
//	'E'        echo: the response is the same bytes.
//
// and fail any other message with invalid-message. A run ends, and done is
// told, when no hops or rounds are left, when the host refuses a send, when a
// request fails, or with a mismatch. The message to done has 24 bytes:
//
//	byte 0     'D'
//	byte 1     how it ended: [Finished], [SendRefused], [CallbackFailed], [Mismatch]
//	byte 2     with SendRefused, the contract's case of messaging-error
//	byte 8     hops or rounds left
//	byte 16    the last sequence
//
// If the host refuses that message, the guest tries nothing more.
//
// # Floor
//
// [Floor] is the least that a crossing can cost. It imports "floor" "take"
// (ptr, len i32), and exports memory, of which it uses nothing from 4 KiB on;
// "exchange" (i32) -> i32, which takes a pointer to 64 bytes and gives it back;
// and "relay" (i32) -> i32, which also calls take with the 64 bytes, once.
package guests

import (
	_ "embed"
	"encoding/binary"
	"fmt"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// The guests as WebAssembly, to be read only.
var (
	//go:embed pingpong.wasm
	PingPong []byte
	//go:embed roundtrip.wasm
	RoundTrip []byte
	//go:embed floor.wasm
	Floor []byte
)

// The operations.
const (
	OpBall    byte = 'B'
	OpStart   byte = 'S'
	OpRequest byte = 'R'
	OpCount   byte = 'C'
	OpEcho    byte = 'E'
	OpDone    byte = 'D'
)

// How a run ended.
const (
	Finished byte = iota
	SendRefused
	CallbackFailed
	Mismatch
)

// MaxRuns is the most runs that may be under way in one [RoundTrip].
const MaxRuns = 256

// HeaderSize is the least size of a ball, a start and a done, in bytes.
const HeaderSize = cells.MinPayload

const (
	placeAt    = 2
	numberAt   = 8
	sequenceAt = 16
)

// NewMessage returns a ball, a start or an echo of size bytes, at least
// [HeaderSize], with a payload that differs from byte to byte.
func NewMessage(op byte, number uint64, size int) []byte {
	message := make([]byte, max(size, HeaderSize))
	for i := range message {
		message[i] = byte(i*7 + 1)
	}
	clear(message[1:HeaderSize])
	message[0] = op
	SetNumber(message, number)
	return message
}

// SetNumber changes the number of a message of [NewMessage].
func SetNumber(message []byte, number uint64) {
	binary.LittleEndian.PutUint64(message[numberAt:], number)
}

// SetSequence changes the sequence of a message of [NewMessage].
func SetSequence(message []byte, sequence uint64) {
	binary.LittleEndian.PutUint64(message[sequenceAt:], sequence)
}

// Done is the message to the component done.
type Done struct {
	Status   byte // Finished, SendRefused, CallbackFailed or Mismatch
	Refusal  byte // with SendRefused, the case of messaging-error
	Left     uint64
	Sequence uint64
}

// ParseDone reads a message to the component done.
func ParseDone(message []byte) (Done, error) {
	if len(message) != HeaderSize || message[0] != OpDone {
		return Done{}, fmt.Errorf("benchmark guest: %d bytes are no done message", len(message))
	}
	return Done{
		Status:   message[1],
		Refusal:  message[2],
		Left:     binary.LittleEndian.Uint64(message[numberAt:]),
		Sequence: binary.LittleEndian.Uint64(message[sequenceAt:]),
	}, nil
}

func (d Done) append(message []byte) []byte {
	message = append(message, OpDone, d.Status, d.Refusal, 0, 0, 0, 0, 0)
	message = binary.LittleEndian.AppendUint64(message, d.Left)
	return binary.LittleEndian.AppendUint64(message, d.Sequence)
}

// Counters are a guest's counts since its start.
type Counters struct {
	Handled         uint64 // balls, starts, requests and echoes
	Sent            uint64 // balls and requests that the host took
	Refused         uint64 // balls and requests that it did not take
	Callbacks       uint64 // responses with the bytes of the request
	CallbacksFailed uint64 // requests that ended without a response
	Mismatches      uint64 // other calls of handle-callback
}

const countersSize = 6 * 8

// ParseCounters reads the response to [OpCount].
func ParseCounters(response []byte) (Counters, error) {
	var c Counters
	if len(response) != countersSize {
		return c, fmt.Errorf("benchmark guest: counters have %d bytes, want %d", len(response), countersSize)
	}
	_, err := binary.Decode(response, binary.LittleEndian, &c)
	return c, err
}

func (c Counters) append(response []byte) []byte {
	for _, n := range [...]uint64{c.Handled, c.Sent, c.Refused, c.Callbacks, c.CallbacksFailed, c.Mismatches} {
		response = binary.LittleEndian.AppendUint64(response, n)
	}
	return response
}
