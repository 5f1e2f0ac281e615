package wasi

import (
	"math"
	"time"

	"github.com/airhost/airhost/internal/wit"
)

// pollable is ready at a time of the monotonic clock. The zero value is ready.
type pollable struct{ at time.Duration }

// wait returns the time until it is ready.
func (p *pollable) wait() time.Duration {
	if p.at == 0 {
		return 0
	}
	return p.at - monotonic()
}

func pollableOf(borrowed any) *pollable { return borrowed.(*handle).value.(*pollable) }

func block(c *call) any {
	c.sleep(pollableOf(c.args[0]).wait())
	return nil
}

// poll waits for the first of some pollables, and returns the places of those that are
// ready.
func poll(c *call) any {
	list := c.args[0].([]any)
	if len(list) == 0 {
		violated("it called %s with an empty list", c.name)
	}
	first := time.Duration(math.MaxInt64)
	for _, p := range list {
		first = min(first, pollableOf(p).wait())
	}
	c.sleep(first)
	ready := []any{}
	for i, p := range list {
		if pollableOf(p).wait() <= 0 {
			ready = append(ready, uint64(i))
		}
	}
	return ready
}

// subscribe returns a pollable that is ready, since no stream makes a guest wait.
func subscribe(c *call) any { return child{&pollable{}, c.args[0].(*handle)} }

// inputStream is at its end.
type inputStream struct{}

// closed is the result of a function of streams at a stream's end. A splice has it too,
// since every input stream is at its end.
func closed(*call) any { return failed(variant{number: wit.StreamClosed}) }

// outputStream takes bytes for the log, or for the body of a request or response.
type outputStream struct {
	fd     uint32 // 1 or 2, as of preview 1; 0: to body
	body   *body
	permit uint64 // bytes that it takes before it is asked again
}

// Bounds of the bytes that a stream takes.
const (
	maxPermit = maxWrite
	maxAtOnce = 4096 // of the functions that write and flush
)

// toStream is a function of an open output stream.
func toStream(do func(c *call, to *outputStream) any) method {
	return func(c *call) any {
		to := c.args[0].(*handle).value.(*outputStream)
		if to.body != nil && to.body.gone {
			return closed(c)
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
	return c.take(to, b)
}

func writeAndFlush(c *call, to *outputStream) any {
	b := c.args[1].([]byte)
	c.atOnce(uint64(len(b)))
	return c.take(to, b)
}

var zeroes [maxPermit]byte

func writeZeroes(c *call, to *outputStream) any {
	n := c.args[1].(uint64)
	c.spendPermit(to, n)
	return c.take(to, zeroes[:n])
}

func writeZeroesAndFlush(c *call, to *outputStream) any {
	n := c.args[1].(uint64)
	c.atOnce(n)
	return c.take(to, zeroes[:n])
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

func (c *call) take(to *outputStream, b []byte) any {
	if to.body != nil {
		to.body.written += uint64(len(b))
	} else {
		c.guest.Write(to.fd, b)
	}
	c.yieldFor(len(b))
	return ok(nil)
}
