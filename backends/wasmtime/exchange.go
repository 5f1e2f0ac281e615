//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"unsafe"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/sandbox"
)

// deliver runs one call of the guest or, if the ledger allows it, an exchange that begins
// with this call: all of its calls in one crossing to C. kind, sender and payload are
// those of airhost_handle. The error is that of the last call.
func (in *instance) deliver(kind C.uint8_t, id core.RequestID, sender, payload []byte, response *[]byte) error {
	if len(sender) > maxArgument || len(payload) > maxArgument {
		return in.End(errTooLarge)
	}
	in.component.engine.ticker.use()
	in.response, in.c.wanted = response, C.bool(response != nil)
	var peer *instance
	var other C.uintptr_t
	var most C.uint32_t
	var progress *C.uint32_t
	if l := in.Env.Ledger; l != nil && l.Most == 0 {
		in.giveCredit(&l.Sides[0])
	} else if l != nil {
		if response == nil {
			peer = in.peer(l)
		}
		if peer != nil {
			in.giveCredit(&l.Sides[0])
			in.pair(peer, l)
			other, most, progress = peer.number(), C.uint32_t(l.Most), (*C.uint32_t)(unsafe.Pointer(&l.Progress))
		} else if in.decline(l); in.Over != nil {
			return in.Over
		}
	}
	in.Phase = sandbox.Handling
	result := C.airhost_handle(in.number(), kind, C.uint64_t(id), (*C.uint8_t)(unsafe.SliceData(sender)), C.uint32_t(len(sender)),
		(*C.uint8_t)(unsafe.SliceData(payload)), C.uint32_t(len(payload)), other, most, progress)
	if result&C.AIRHOST_PEER != 0 {
		return peer.finish(result) // in may belong to another worker by now, or be closed
	}
	return in.finish(result)
}

// decline hands over an account of nothing before a call that cannot become an exchange,
// since the host holds the other side.
func (in *instance) decline(l *core.Ledger) {
	defer in.endByPanic()
	l.Ended, l.Side, l.Current, l.Open.Kind = [2]core.CallCounts{}, 0, core.Transfer{}, core.TransferNone
	l.Reconcile()
}

// giveCredit gives the guest its credit for a call.
func (in *instance) giveCredit(s *core.Side) {
	credit, c := s.Credit, &in.c.credit
	if credit == nil {
		return
	}
	if credit != in.credit {
		in.credit = credit
		c.target_size = C.uint32_t(copy(bytesAt(&c.target), credit.Target))
		c.max_size = C.uint32_t(min(credit.MaxSize, maxArgument))
	}
	c.messages = C.bool(credit.Messages)
	if len(s.Requests) > 0 {
		c.request = C.uint64_t(s.Requests[0])
	}
}

// endCredit ends the credit.
func (in *instance) endCredit() { in.c.credit.messages, in.c.credit.request = false, 0 }

// peer returns the other side of the ledger if the guests can exchange, or nil. Guests
// with a fuel counter cannot, since Go gives them the fuel for each call.
func (in *instance) peer(l *core.Ledger) *instance {
	peer, ok := l.Sides[1].Instance.(*instance)
	if !ok || peer.Env.Ledger == nil || peer.component.engine != in.component.engine ||
		in.component.counter != "" || peer.component.counter != "" || peer.Enter() != nil {
		return nil
	}
	return peer
}

// pair prepares this instance and its peer for an exchange.
func (in *instance) pair(peer *instance, l *core.Ledger) {
	peer.giveCredit(&l.Sides[1])
	peer.Phase = sandbox.Handling
	in.join(peer, l, &l.Sides[0])
	peer.join(in, l, &l.Sides[1])
}

// join makes the instance one side of an exchange with other.
func (in *instance) join(other *instance, l *core.Ledger, s *core.Side) {
	in.ledger, in.other = l, other
	c := &in.c.credit
	c.peer = C.bool(s.Credit != nil && s.Credit.Target == other.Env.ID.String())
	later := unsafe.Slice((*core.RequestID)(&c.later[0]), len(c.later))
	n := copy(later[:len(later)-1], s.Requests[min(1, len(s.Requests)):])
	later[n] = 0
}

// finish ends the last call of airhost_handle, which was one of this instance.
func (in *instance) finish(result C.int) error {
	if in.c.exchange != nil {
		in.reconcileLast()
	} else if in.c.sent.kind != C.AIRHOST_NONE {
		in.leaveOpen(in.Env.Ledger)
	}
	in.endCredit()
	response, failure := in.response, in.failure
	in.Phase, in.response, in.failure = sandbox.Idle, nil, nil
	switch {
	case result&C.AIRHOST_FAILED != 0:
		return in.trapped()
	case result&C.AIRHOST_LATE != 0: // the call itself had ended
		_ = in.trapped()
		if in.Env.Ended != nil {
			in.Env.Ended()
		}
	default:
		if err := in.Left(); err != nil {
			return err
		}
	}
	if n := in.c.small_size; n >= 0 && response != nil {
		failure = in.Respond(unsafe.Slice((*byte)(&in.c.small[0]), int(n)), response)
	}
	return sandbox.Failure(failure)
}

// leaveOpen leaves the message or request that the guest has sent by its credit, if any, to
// the host.
func (in *instance) leaveOpen(l *core.Ledger) {
	open, sent := &l.Open, in.sent(core.TransferKind(in.c.sent.kind))
	open.Kind, open.TimeoutMillis, open.Payload = sent.Kind, sent.TimeoutMillis, append(open.Payload[:0], sent.Payload...)
	in.c.sent.kind = C.AIRHOST_NONE
}

// reconcileLast is reconcile after the guest's code has returned. A panic of the host
// ends the instance.
func (in *instance) reconcileLast() {
	defer in.endByPanic()
	in.reconcile()
}

// endByPanic is deferred: a panic of the host ends the instance.
func (in *instance) endByPanic() {
	if cause := recover(); cause != nil {
		_ = in.End(sandbox.HostPanic(cause))
	}
}

// reconcile hands the account of the ledger to the host, if this is an exchange or the
// guest has sent something by its credit. From then on the guest has no credit, and
// only this instance is still the caller's.
func (in *instance) reconcile() {
	x, kind := in.c.exchange, core.TransferNone
	if x == nil && in.c.sent.kind == C.AIRHOST_NONE {
		return
	}
	in.endCredit()
	l := in.Env.Ledger
	if x == nil {
		l.Ended, l.Side, l.Current = [2]core.CallCounts{}, 0, core.Transfer{}
	} else {
		l, kind = in.ledger, core.TransferKind(x.kind)
		in.endExchange(x)
	}
	in.leaveOpen(l)
	if response := l.Reconcile(); kind == core.TransferRequest {
		in.response = response
	}
}

// endExchange fills in the account of an exchange in which this instance has the current
// call, and releases the other side.
func (in *instance) endExchange(x *C.airhost_exchange) {
	x.reconciled = true
	l, other := in.ledger, in.other
	l.Side = int(x.side)
	for side, n := range &x.ended {
		l.Ended[side] = core.CallCounts{Messages: int(n[C.AIRHOST_MESSAGE]), Requests: int(n[C.AIRHOST_REQUEST]), Responses: int(n[C.AIRHOST_RESPONSE])}
	}
	l.Current = other.sent(core.TransferKind(x.kind))
	in.ledger, in.other, in.c.exchange = nil, nil, nil
	other.ledger, other.other, other.c.exchange = nil, nil, nil
	other.endCredit()
	other.Phase = sandbox.Idle
}

// sent is the message or request that the guest has sent last by its credit, as a
// transfer; of another kind it has no payload.
func (in *instance) sent(kind core.TransferKind) core.Transfer {
	t := core.Transfer{Kind: kind}
	if kind == core.TransferMessage || kind == core.TransferRequest {
		t.Payload, t.TimeoutMillis = unsafe.Slice((*byte)(&in.c.sent_bytes[0]), int(in.c.sent.size)), uint64(in.c.sent.timeout)
	}
	return t
}

// bytesAt is an array of C's as bytes.
func bytesAt(array *[C.AIRHOST_ID]C.uint8_t) []byte {
	return unsafe.Slice((*byte)(&array[0]), len(array))
}
