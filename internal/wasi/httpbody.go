package wasi

import (
	"github.com/airhost/airhost/core"
)

// maxBodies bounds the bodies of HTTP that a guest's resources hold together, in bytes, and so it does
// the responses that it has not got. A body that has come in may be larger if it is the only one:
// the host has bounded it.
const maxBodies = 16 << 20

// keep counts bytes of bodies. It returns false, and counts nothing, if they are too many.
func (in *Instance) keep(n int) bool {
	if n > maxBodies-in.bodies {
		return false
	}
	in.bodies += n
	return true
}

// body is that of a request or response that a guest makes. It keeps the bytes that are written.
type body struct {
	bytes     []byte
	length    uint64 // of its content-length
	sized     bool   // it has one
	wrongSize core.HTTPErrorCode
	streams   bool            // the guest has its stream
	finished  bool            // it is whole
	gone      bool            // nobody wants it any more
	failure   *core.HTTPError // why it will never be whole, or nil
	future    *future         // sends it with its request, or nil
}

func (b *body) closed() bool { return b.gone || b.failure != nil }

func (b *body) take(c *call, p []byte) *streamError {
	if !c.keep(len(p)) {
		b.fail(c.Instance, &core.HTTPError{Code: b.wrongSize, Size: int64(len(b.bytes) + len(p))})
		return &streamError{text: "the bodies of HTTP that the component holds have more than 16 MiB together", code: errorCode(b.failure)}
	}
	b.bytes = append(b.bytes, p...)
	return nil
}

// free gives the bytes back.
func (b *body) free(in *Instance) {
	in.bodies -= len(b.bytes)
	b.bytes = nil
}

// fail ends a body that will never be whole, and so its request.
func (b *body) fail(in *Instance, e *core.HTTPError) {
	b.free(in)
	b.failure = e
	if b.future != nil {
		b.future.end(in, e)
	}
}

// leave is called when nobody will send the body.
func (b *body) leave(in *Instance) {
	b.free(in)
	b.gone = true
}

// dropped ends a body that the guest has not finished.
func (b *body) dropped(in *Instance) {
	if !b.closed() {
		b.fail(in, &core.HTTPError{Code: core.HTTPProtocolError})
	}
}

func writeBody(c *call) any {
	h := c.args[0].(*handle)
	b := h.value.(*body)
	if b.streams {
		return failed(nil)
	}
	b.streams = true
	return ok(child{&outputStream{to: b}, h})
}

// finishBody ends a body that is whole, and sends its request if the guest has asked for
// that. There are no trailers: they would be lost on the way.
func finishBody(c *call) any {
	b, trailers := c.args[0].(*body), c.args[1].(variant)
	var lost bool
	if view, given := trailers.value.(fieldsView); given {
		lost = len(view.list) > 0
		view.dropped(c.Instance)
	}
	switch written := int64(len(b.bytes)); {
	case b.closed():
	case b.sized && b.length != uint64(written):
		b.fail(c.Instance, &core.HTTPError{Code: b.wrongSize, Size: written})
	case lost:
		b.fail(c.Instance, &core.HTTPError{Code: core.HTTPInternalError, Text: "trailers are not sent: use headers"})
	default:
		b.finished = true
		if b.future != nil {
			b.future.start(c.Instance)
		}
	}
	if b.failure != nil {
		return failed(errorCode(b.failure))
	}
	return ok(nil)
}
