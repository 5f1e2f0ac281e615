//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"unsafe"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/sandbox"
)

var _ core.Relayer = (*instance)(nil)

// Relay implements [core.Relayer]: C runs both guests in one crossing, until one of
// them needs Go.
func (in *instance) Relay(d core.Delivery, r *core.Relay) error {
	if err := in.Enter(); err != nil {
		in.settleAlone(r)
		return err
	}
	peer, ok := r.Instances[1].(*instance)
	if !ok || peer.component.engine != in.component.engine || !in.relays(d.Message) || !peer.relays(d.Message) || peer.Enter() != nil {
		in.settleAlone(r)
		if d.Outcome {
			return in.HandleCallback(d.Message.Correlation, d.Message.Payload, d.Message.Failure)
		}
		return in.HandleMessage(d.Message.Sender, d.Message.Payload, nil)
	}
	if err := in.begin(); err != nil {
		in.settleAlone(r)
		return err
	}
	in.beginRelay(peer, r)
	m := d.Message
	first, second := m.Payload, []byte(nil)
	if id := m.Sender.String(); !d.Outcome {
		first, second = unsafe.Slice(unsafe.StringData(id), len(id)), m.Payload
	}
	how := C.airhost_relay(in.number(), peer.number(), C.bool(d.Outcome), C.uint64_t(m.Correlation),
		(*C.uint8_t)(unsafe.SliceData(first)), C.uint32_t(len(first)), (*C.uint8_t)(unsafe.SliceData(second)), C.uint32_t(len(second)),
		C.uint32_t(r.Most), (*C.uint64_t)(unsafe.Pointer(unsafe.SliceData(r.Requests[0]))), C.uint32_t(len(r.Requests[0])),
		(*C.uint64_t)(unsafe.Pointer(unsafe.SliceData(r.Requests[1]))), C.uint32_t(len(r.Requests[1])),
		(*C.uint32_t)(unsafe.Pointer(&r.Progress)))
	if how&C.AIRHOST_SETTLED == 0 {
		in.settleLast(r)
	}
	// The other one may be another worker's by now, or closed.
	last := r.Instances[r.Side].(*instance)
	response := last.response
	if err := last.finish(how & C.AIRHOST_FAILED); err != nil {
		return err
	}
	if n := last.c.small_size; n >= 0 && response != nil {
		*response = append(*response, unsafe.Slice((*byte)(&last.c.small[0]), int(n))...)
	}
	return last.answer()
}

// relays reports whether the instance can handle m, and what comes of it, in turns
// with another. Fuel is for one call, and Go's to give.
func (in *instance) relays(m *core.Message) bool {
	return in.granter != nil && in.component.counter == "" && m.Failure == nil && len(m.Payload) <= maxArgument
}

// beginRelay is the rest of begin for both. A peer that a panic of the host's has
// ended runs no more.
func (in *instance) beginRelay(peer *instance, r *core.Relay) {
	peer.ask()
	in.response, in.c.wanted = nil, false
	in.c.granted.other = C.bool(in.grant != nil && in.grant.Target == peer.Env.ID.String() && peer.Over == nil)
	peer.c.granted.other = C.bool(peer.grant != nil && peer.grant.Target == in.Env.ID.String())
	peer.Phase = sandbox.Handling
	in.relay, peer.relay = r, r
}

// settleAlone ends a relay in which nothing has been done.
func (in *instance) settleAlone(r *core.Relay) {
	defer in.endByPanic()
	r.Settle()
}

// settleLast is settle outside of the guest's code, where a panic of the host's has
// nobody else to recover it.
func (in *instance) settleLast(r *core.Relay) {
	last := r.Instances[in.c.last.side].(*instance)
	defer last.endByPanic()
	in.settle(&in.c.last)
}

// settle ends a relay, if there is one: it tells the host how far it has come. From
// then on only the instance whose call is the last is the caller's.
func (in *instance) settle(t *C.airhost_turns) {
	r := in.relay
	if r == nil {
		return
	}
	t.settled = true
	r.Side, r.Last, r.Payload = int(t.side), core.RelayKind(t.kind), nil
	for side, n := range t.ended {
		r.Ended[side] = core.RelayCalls{Messages: int(n[C.AIRHOST_MESSAGE]), Requests: int(n[C.AIRHOST_REQUEST]), Callbacks: int(n[C.AIRHOST_CALLBACK])}
	}
	last, other := r.Instances[r.Side].(*instance), r.Instances[1-r.Side].(*instance)
	if r.Last == core.RelayMessage || r.Last == core.RelayRequest {
		sent := &other.c.sent
		r.Payload, r.TimeoutMillis = unsafe.Slice((*byte)(&other.c.sent_bytes[0]), int(sent.size)), uint64(sent.timeout)
	}
	if r.Last != core.RelayFirst {
		C.airhost_keep_arguments(last.c, r.Last == core.RelayCallback)
	}
	last.relay, other.relay = nil, nil
	last.c.turns, other.c.turns = nil, nil
	other.void()
	other.Phase = sandbox.Idle
	last.response = r.Settle()
}
