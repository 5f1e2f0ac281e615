package guests

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/airhost/airhost/guest"
)

// common is the part that both guests share.
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
	runs  [MaxRuns]run
	last  int  // the place that a run was given last
	asked *run // the run of the request in buffer, or nil
}

// run is a number of requests, one after the other. Its place among the runs is
// in each of them.
type run struct {
	place          int
	left, sequence uint64 // of the pending request; with 0 left the place is free
	id             guest.RequestID
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
	at := r.free()
	if at == nil {
		return guest.Failed("too many runs are under way")
	}
	r.counters.Handled++
	r.keep(message)
	r.buffer[0] = OpRequest
	at.left = binary.LittleEndian.Uint64(message[numberAt:])
	at.sequence = binary.LittleEndian.Uint64(message[sequenceAt:])
	r.goOn(host, at)
	return nil
}

// free returns a place where no run is under way, or nil.
func (r *roundTrip) free() *run {
	for range r.runs {
		r.last = (r.last + 1) % len(r.runs)
		if at := &r.runs[r.last]; at.left == 0 {
			at.place = r.last
			return at
		}
	}
	return nil
}

func (r *roundTrip) goOn(host guest.Host, at *run) {
	if at.left == 0 {
		r.finish(host, at, Finished, 0)
		return
	}
	at.sequence++
	r.request(at)
	id, err := host.Request(r.peer, r.buffer, 0)
	if err != nil {
		r.counters.Refused++
		r.finish(host, at, SendRefused, refusalOf(err))
		return
	}
	r.counters.Sent++
	at.id = id
}

// request makes the buffer the run's pending request.
func (r *roundTrip) request(at *run) {
	r.asked = at
	binary.LittleEndian.PutUint16(r.buffer[placeAt:], uint16(at.place))
	r.stamp(at.left, at.sequence)
}

func (r *roundTrip) finish(host guest.Host, at *run, status, refusal byte) {
	r.tell(host, Done{status, refusal, at.left, at.sequence})
	at.left = 0
	r.asked = nil
}

// pending returns the run of the request with this id, or nil. The response names the
// place to look at first.
func (r *roundTrip) pending(id guest.RequestID, response []byte) *run {
	if len(response) >= HeaderSize {
		place := int(binary.LittleEndian.Uint16(response[placeAt:]))
		if place < len(r.runs) && r.runs[place].left > 0 && r.runs[place].id == id {
			return &r.runs[place]
		}
	}
	for i := range r.runs {
		if r.runs[i].left > 0 && r.runs[i].id == id {
			return &r.runs[i]
		}
	}
	return nil
}

func (r *roundTrip) HandleCallback(host guest.Host, id guest.RequestID, response []byte, failure error) error {
	at := r.asked // with one run it is always this one
	if at == nil || at.id != id {
		at = r.pending(id, response)
	}
	if at == nil {
		r.counters.Mismatches++
		return nil
	}
	if failure != nil {
		r.counters.CallbacksFailed++
		r.finish(host, at, CallbackFailed, 0)
		return nil
	}
	if at != r.asked {
		r.request(at)
	}
	if !bytes.Equal(response, r.buffer) {
		r.counters.Mismatches++
		r.finish(host, at, Mismatch, 0)
		return nil
	}
	r.counters.Callbacks++
	at.left--
	r.goOn(host, at)
	return nil
}
