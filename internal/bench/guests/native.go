package guests

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/airhost/airhost/guest"
)

// common is what both guests are made of.
type common struct {
	counters   Counters
	peer, done string
	buffer     []byte // the request or ball that was sent last
	reply      []byte
}

// Initialize takes the ids of the other components.
func (c *common) Initialize(host guest.Host, config guest.Config) error {
	for _, pair := range config {
		switch pair.Key {
		case "peer":
			c.peer = pair.Value
		case "done":
			c.done = pair.Value
		default:
			return guest.Failed("configuration: unknown key, want peer and done")
		}
	}
	return nil
}

var errUnknown = guest.InvalidMessage("unknown first byte")

func (c *common) handle(message []byte) ([]byte, error) {
	switch operation(message) {
	case OpCount:
		c.reply = c.counters.append(c.reply[:0])
		return c.reply, nil
	case OpEcho:
		c.counters.Handled++
		return message, nil
	}
	return nil, errUnknown
}

// operation returns 0, which is no operation, for an empty message.
func operation(message []byte) byte {
	if len(message) == 0 {
		return 0
	}
	return message[0]
}

func (c *common) tell(host guest.Host, done Done) {
	if c.done == "" {
		return
	}
	c.reply = done.append(c.reply[:0])
	_ = host.Send(c.done, c.reply) // the protocol ends here
}

// keep copies message to a buffer that can be changed and sent.
func (c *common) keep(message []byte) { c.buffer = append(c.buffer[:0], message...) }

func (c *common) stamp(number, sequence uint64) {
	binary.LittleEndian.PutUint64(c.buffer[numberAt:], number)
	binary.LittleEndian.PutUint64(c.buffer[sequenceAt:], sequence)
}

func refusalOf(err error) byte {
	var refused *guest.MessagingError
	errors.As(err, &refused)
	return byte(refused.Case)
}

// pingPong is pingpong.c in Go.
type pingPong struct{ common }

// NewPingPong returns the native equivalent of [PingPong].
func NewPingPong() guest.Component { return new(pingPong) }

func (p *pingPong) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	if operation(message) != OpBall {
		return p.handle(message)
	}
	if len(message) < HeaderSize {
		return nil, guest.InvalidMessage("a ball has at least 24 bytes")
	}
	p.counters.Handled++
	left := binary.LittleEndian.Uint64(message[numberAt:])
	sequence := binary.LittleEndian.Uint64(message[sequenceAt:])
	if left == 0 {
		p.tell(host, Done{Status: Finished, Sequence: sequence})
		return nil, nil
	}
	p.keep(message)
	p.stamp(left-1, sequence+1)
	if err := host.Send(p.peer, p.buffer); err != nil {
		p.counters.Refused++
		p.tell(host, Done{SendRefused, refusalOf(err), left, sequence})
		return nil, nil
	}
	p.counters.Sent++
	return nil, nil
}

// roundTrip is roundtrip.c in Go.
type roundTrip struct {
	common
	underWay bool
	left     uint64
	sequence uint64 // of the last request; goes on over all runs
	id       guest.RequestID
}

// NewRoundTrip returns the native equivalent of [RoundTrip].
func NewRoundTrip() guest.Component { return new(roundTrip) }

func (r *roundTrip) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	switch operation(message) {
	case OpRequest:
		r.counters.Handled++
		return message, nil
	case OpStart:
		return nil, r.start(host, message)
	}
	return r.handle(message)
}

func (r *roundTrip) start(host guest.Host, message []byte) error {
	if len(message) < HeaderSize {
		return guest.InvalidMessage("a start has at least 24 bytes")
	}
	if r.underWay {
		return guest.Failed("a run is under way")
	}
	r.counters.Handled++
	r.keep(message)
	r.buffer[0] = OpRequest
	r.left = binary.LittleEndian.Uint64(message[numberAt:])
	r.underWay = true
	r.goOn(host)
	return nil
}

func (r *roundTrip) goOn(host guest.Host) {
	if r.left == 0 {
		r.finish(host, Finished, 0)
		return
	}
	r.sequence++
	r.stamp(r.left, r.sequence)
	id, err := host.Request(r.peer, r.buffer, 0)
	if err != nil {
		r.counters.Refused++
		r.finish(host, SendRefused, refusalOf(err))
		return
	}
	r.counters.Sent++
	r.id = id
}

func (r *roundTrip) finish(host guest.Host, status, refusal byte) {
	r.underWay = false
	r.tell(host, Done{status, refusal, r.left, r.sequence})
}

func (r *roundTrip) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	switch {
	case !r.underWay || id != r.id:
		r.counters.Mismatches++
	case failure != nil:
		r.counters.CallbacksFailed++
		r.finish(host, CallbackFailed, 0)
	case !bytes.Equal(response, r.buffer):
		r.counters.Mismatches++
		r.finish(host, Mismatch, 0)
	default:
		r.counters.Callbacks++
		r.left--
		r.goOn(host)
	}
	return nil
}
