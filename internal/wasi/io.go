package wasi

import (
	"math"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wit"
)

// pollable is ready at a time of the monotonic clock, or when a request has ended. The zero
// value is ready.
type pollable struct {
	at     time.Duration
	future *future // nil: the time decides
}

func (p *pollable) ready() bool {
	if p.future != nil {
		return p.future.ready()
	}
	return p.at <= monotonic()
}

func pollableOf(borrowed any) *pollable { return borrowed.(*handle).value.(*pollable) }

func block(c *call) any {
	c.await(c.args[:1])
	return nil
}

// poll waits for the first of some pollables, and returns the places of those that are
// ready.
func poll(c *call) any {
	list := c.args[0].([]any)
	if len(list) == 0 {
		violated("it called %s with an empty list", c.name)
	}
	c.await(list)
	ready := []any{}
	for i, p := range list {
		if pollableOf(p).ready() {
			ready = append(ready, uint64(i))
		}
	}
	return ready
}

// await waits until one of some pollables is ready.
func (c *call) await(list []any) {
	first, timed := time.Duration(math.MaxInt64), false
	var ends []<-chan struct{}
	for _, borrowed := range list {
		p := pollableOf(borrowed)
		switch {
		case p.ready():
			return
		case p.future == nil:
			first, timed = min(first, p.at), true
		case p.future.exchange != nil && !slices.Contains(ends, p.future.exchange.Done()):
			ends = append(ends, p.future.exchange.Done())
		}
	}
	if !timed && ends == nil {
		tooMuch("it waits for the response to a request whose body it has not finished: a request is sent when its body is whole")
	}
	if timed {
		first -= monotonic()
	}
	c.sleep(first, ends)
}

// subscribe returns a pollable that is ready, since no stream makes a guest wait.
func subscribe(c *call) any { return child{&pollable{}, c.args[0].(*handle)} }

// Bounds of the bytes that a stream gives or takes.
const (
	maxRead   = maxWrite
	maxPermit = maxWrite
	maxAtOnce = 4096 // of the functions that write and flush
)

// streamError is the resource error: why a stream has failed.
type streamError struct {
	text string
	code any             // the error-code of wasi:http, or nil
	file *core.FileError // of a file, or nil
}

func streamClosed() any { return failed(variant{number: wit.StreamClosed}) }

func streamFailed(e *streamError) any { return failed(variant{wit.StreamFailed, e}) }

func debugString(c *call) any { return c.args[0].(*handle).value.(*streamError).text }

// source gives the bytes of an input stream.
type source interface {
	// next takes up to n bytes out, or none at the end. They are valid until the next call.
	next(c *call, n int) ([]byte, *streamError)
}

// inputStream is the resource input-stream.
type inputStream struct {
	from source      // nil at the end
	of   *descriptor // the file that it reads, or nil
}

func (s *inputStream) dropped(in *Instance) {
	if s.of != nil {
		in.unuse(s.of)
	}
}

// take returns the next bytes of a stream, up to n. It returns the result of the function in
// their place if there are none.
func (s *inputStream) take(c *call, n uint64) (b []byte, end any) {
	if s.from == nil {
		return nil, streamClosed()
	}
	b, failure := s.from.next(c, int(min(n, maxRead)))
	switch {
	case failure != nil:
		s.from = nil
		return nil, streamFailed(failure)
	case len(b) == 0 && n > 0:
		s.from = nil
		return nil, streamClosed()
	}
	return b, nil
}

func inputOf(borrowed any) *inputStream { return borrowed.(*handle).value.(*inputStream) }

func read(c *call) any {
	b, end := inputOf(c.args[0]).take(c, c.args[1].(uint64))
	if end != nil {
		return end
	}
	return ok(b)
}

func skip(c *call) any {
	b, end := inputOf(c.args[0]).take(c, c.args[1].(uint64))
	if end != nil {
		return end
	}
	return ok(uint64(len(b)))
}

// sink takes the bytes of an output stream.
type sink interface {
	// closed reports whether it takes no more.
	closed() bool
	// take takes some bytes, which it copies.
	take(c *call, b []byte) *streamError
}

// logSink is standard output, 1, or standard error, 2.
type logSink uint32

func (logSink) closed() bool { return false }

func (s logSink) take(c *call, b []byte) *streamError {
	c.guest.Write(uint32(s), b)
	return nil
}

// outputStream is the resource output-stream.
type outputStream struct {
	to     sink
	permit uint64      // bytes that it takes before it is asked again
	of     *descriptor // the file that takes its bytes, or nil
}

func (s *outputStream) dropped(in *Instance) {
	if s.of != nil {
		in.unuse(s.of)
	}
}

// toStream is a function of an open output stream.
func toStream(do func(c *call, to *outputStream) any) method {
	return func(c *call) any {
		to := c.args[0].(*handle).value.(*outputStream)
		if to.to.closed() {
			return streamClosed()
		}
		return do(c, to)
	}
}

func checkWrite(_ *call, to *outputStream) any {
	to.permit = maxPermit
	return ok(to.permit)
}

func write(c *call, to *outputStream) any {
	b := c.args[1].([]byte)
	c.spendPermit(to, uint64(len(b)))
	return c.take(to, b, nil)
}

func writeAndFlush(c *call, to *outputStream) any {
	b := c.args[1].([]byte)
	c.atOnce(uint64(len(b)))
	return c.take(to, b, nil)
}

var zeroes [maxPermit]byte

func writeZeroes(c *call, to *outputStream) any {
	n := c.args[1].(uint64)
	c.spendPermit(to, n)
	return c.take(to, zeroes[:n], nil)
}

func writeZeroesAndFlush(c *call, to *outputStream) any {
	n := c.args[1].(uint64)
	c.atOnce(n)
	return c.take(to, zeroes[:n], nil)
}

// splice writes the next bytes of an input stream, without a permit of the guest's.
func splice(c *call, to *outputStream) any {
	b, end := inputOf(c.args[1]).take(c, min(c.args[2].(uint64), maxPermit))
	if end != nil {
		return end
	}
	return c.take(to, b, uint64(len(b)))
}

// flush does nothing: a stream keeps nothing back but an unfinished line of the log.
func flush(*call, *outputStream) any { return ok(nil) }

// spendPermit ends a guest that writes more than check-write has allowed.
func (c *call) spendPermit(to *outputStream, n uint64) {
	if n > to.permit {
		violated("it wrote %d bytes by %s, of which check-write allowed %d", n, c.name, to.permit)
	}
	to.permit -= n
}

func (c *call) atOnce(n uint64) {
	if n > maxAtOnce {
		violated("it wrote %d bytes by %s, which takes 4,096 at most", n, c.name)
	}
}

// take writes bytes. The result is this one, or the stream's error.
func (c *call) take(to *outputStream, b []byte, result any) any {
	if failure := to.to.take(c, b); failure != nil {
		return streamFailed(failure)
	}
	c.yieldFor(len(b))
	return ok(result)
}
