package wasi

import "github.com/airhost/airhost/core"

// incoming is a request or a response that has come in, with its whole body.
type incoming struct {
	headers *fields
	body    *incomingBody
	taken   bool // the guest has its body

	parts  [parts]variant // of a request
	status uint64         // of a response
}

// newIncoming returns one with these headers and this body, which it owns. An error says
// that the guest's resources hold too much already.
func (in *Instance) newIncoming(header, trailer []core.HTTPField, b []byte) (*incoming, *core.HTTPError) {
	switch {
	case sizeOf(header)+sizeOf(trailer) > maxHeld-in.held:
		return nil, &core.HTTPError{Code: core.HTTPResponseHeaderSize}
	case in.bodies > 0 && len(b) > maxBodies-in.bodies:
		return nil, &core.HTTPError{Code: core.HTTPResponseBodySize, Size: int64(len(b))}
	}
	in.bodies += len(b)
	return &incoming{
		headers: in.fieldsOf(header),
		body:    &incomingBody{rest: b, size: len(b), trailers: in.fieldsOf(trailer)},
	}, nil
}

// sizeOf returns the bytes of some fields, as [Instance.hold] counts them.
func sizeOf(list []core.HTTPField) (size int) {
	for _, f := range list {
		size += fieldSize + len(f.Name) + len(f.Value)
	}
	return size
}

func (in *Instance) fieldsOf(list []core.HTTPField) *fields {
	made := &fields{}
	for _, f := range list {
		made.add(in, f.Name, []byte(f.Value))
	}
	return made
}

func incomingOf(c *call) *incoming { return c.args[0].(*handle).value.(*incoming) }

func (i *incoming) dropped(in *Instance) {
	i.headers.dropped(in)
	if !i.taken {
		i.body.dropped(in)
	}
}

func incomingHeaders(c *call) any {
	return child{fieldsView{incomingOf(c).headers, true}, c.args[0].(*handle)}
}

// consume returns the body once.
func consume(c *call) any {
	i := incomingOf(c)
	if i.taken {
		return failed(nil)
	}
	i.taken = true
	return ok(i.body)
}

// incomingBody is the resource incoming-body, and the source of its stream.
type incomingBody struct {
	rest     []byte
	size     int
	trailers *fields
	streams  bool // the guest has its stream
}

func (b *incomingBody) next(_ *call, n int) ([]byte, *streamError) {
	part := b.rest[:min(n, len(b.rest))]
	b.rest = b.rest[len(part):]
	return part, nil
}

func (b *incomingBody) dropped(in *Instance) {
	b.free(in)
	b.trailers.dropped(in)
}

func (b *incomingBody) free(in *Instance) {
	in.bodies -= b.size
	b.rest, b.size = nil, 0
}

func streamBody(c *call) any {
	h := c.args[0].(*handle)
	b := h.value.(*incomingBody)
	if b.streams {
		return failed(nil)
	}
	b.streams = true
	return ok(child{&inputStream{from: b}, h})
}

// finishIncoming takes a body, which may have bytes left, and returns its trailers.
func finishIncoming(c *call) any {
	b := c.args[0].(*incomingBody)
	b.free(c.Instance)
	return &futureTrailers{fields: b.trailers}
}

// futureTrailers is the resource future-trailers. It is ready, since the body came as a
// whole.
type futureTrailers struct {
	fields *fields
	given  bool
}

func (f *futureTrailers) dropped(in *Instance) {
	if !f.given {
		f.fields.dropped(in)
	}
}

// getTrailers returns the trailers once.
func getTrailers(c *call) any {
	f := c.args[0].(*handle).value.(*futureTrailers)
	if f.given {
		return some(failed(nil))
	}
	f.given = true
	if len(f.fields.list) == 0 {
		return some(ok(ok(none)))
	}
	return some(ok(ok(some(fieldsView{fields: f.fields}))))
}
