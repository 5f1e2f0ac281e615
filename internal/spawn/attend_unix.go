//go:build unix

package spawn

import (
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// attention is how long a reader looks for data before it sleeps. It is long
	// enough to meet an end that has first to wake.
	attention = 100 * time.Microsecond
	// prompt is the longest wait after which looking is worth it.
	prompt = time.Millisecond
	// misses is how often in a period a reader may look for data in vain, but for
	// once more after each time that it found some.
	misses = 16
	// periodBits makes a period 2^27 ns, 134 ms. It is one of the clock that
	// both ends read, so that they try again together.
	periodBits = 27
)

// attending is how many readers look for data at present.
var attending atomic.Int32

// attentive is a connection whose reader looks for data for a moment before it
// sleeps: to wake a reader takes many times as long as to handle a message.
type attentive struct {
	net.Conn
	raw  syscall.RawConn
	most int32 // that may look for data at once: half of the processors

	// What follows belongs to the reader.
	soon   bool  // the last wait was short
	period int64 // of the clock
	missed int   // in it, at most misses
	look   func(fd uintptr) bool
	into   []byte
	n      int
	err    error
}

// Attend returns conn with a Read that looks for data for 100 µs before it sleeps,
// and yields to other goroutines meanwhile. It does so only after a wait of less
// than a millisecond, and not where looking fails more often than not: where it
// always fails it takes 1.2 % of a processor at most. No more readers of the
// program do so at once than half of its processors. With one processor, or where
// the system cannot look, conn itself is returned. It gains most where both ends do so.
// One goroutine at a time may call Read.
func Attend(conn net.Conn) net.Conn {
	system, ok := conn.(syscall.Conn)
	most := int32(runtime.GOMAXPROCS(0) / 2)
	if !ok || most == 0 {
		return conn
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return conn
	}
	c := &attentive{Conn: conn, raw: raw, most: most}
	c.look = func(fd uintptr) bool {
		c.n, c.err = syscall.Read(int(fd), c.into)
		return true
	}
	return c
}

func (c *attentive) Read(into []byte) (int, error) {
	start := time.Now()
	if c.soon && c.worthIt(start) {
		if n := c.attend(into, start); n > 0 {
			c.missed = max(c.missed-1, 0)
			return n, nil
		}
	}
	n, err := c.Conn.Read(into)
	c.soon = time.Since(start) < prompt
	return n, err
}

// worthIt reports whether looking has not failed too often in this period.
func (c *attentive) worthIt(now time.Time) bool {
	if period := now.UnixNano() >> periodBits; period != c.period {
		c.period, c.missed = period, 0
	}
	return c.missed < misses
}

// attend looks for data, and returns how many bytes it has read. At 0 the
// connection's own Read finds out why.
func (c *attentive) attend(into []byte, start time.Time) int {
	defer attending.Add(-1)
	if attending.Add(1) > c.most {
		return 0
	}
	c.into = into
	defer func() { c.into = nil }()
	for {
		if c.raw.Read(c.look) != nil {
			return 0
		}
		if c.err != syscall.EAGAIN && c.err != syscall.EINTR {
			return max(c.n, 0)
		}
		if time.Since(start) > attention {
			c.missed++
			return 0
		}
		runtime.Gosched()
	}
}
