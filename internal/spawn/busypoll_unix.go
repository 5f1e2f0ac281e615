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
	// spinTime is how long a reader polls for data before it sleeps. The other end
	// may have to wake up first, and has time for that.
	spinTime = 100 * time.Microsecond
	// shortWait is the longest wait for data after which the next Read polls.
	shortWait = time.Millisecond
	// maxMisses is the number of vain polls in a period after which a reader stops
	// polling. Each successful poll takes one miss away.
	maxMisses = 16
	// periodBits makes a period 2^27 ns, 134 ms. Both ends take it from the same
	// clock, so they start polling again at the same time.
	periodBits = 27
)

// spinning is the number of readers that poll at present.
var spinning atomic.Int32

// pollingConn is a connection that polls for data for a moment before its reader
// sleeps. Waking up a sleeping reader takes many times as long as handling a
// message.
type pollingConn struct {
	net.Conn
	raw  syscall.RawConn
	most int32 // limit of spinning: half of the processors

	// The fields below belong to the reader.
	lastShort bool  // the last wait was at most shortWait
	period    int64 // number of the current period
	missed    int   // vain polls in the period, at most maxMisses
	tryRead   func(fd uintptr) bool
	into      []byte
	n         int
	err       error
}

// BusyPoll returns a connection whose Read polls for data for 100 µs before it
// sleeps, and yields to other goroutines meanwhile. It polls only after a wait of
// less than a millisecond, and not if most polls fail; if all fail, polling takes at
// most 1.2 % of a processor. At most half as many readers poll at once as the
// program has processors. With one processor, or if the system cannot poll, BusyPoll
// returns conn. The gain is largest if both ends do the same. Only one goroutine at
// a time may call Read.
func BusyPoll(conn net.Conn) net.Conn {
	system, ok := conn.(syscall.Conn)
	most := int32(runtime.GOMAXPROCS(0) / 2)
	if !ok || most == 0 {
		return conn
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return conn
	}
	c := &pollingConn{Conn: conn, raw: raw, most: most}
	c.tryRead = func(fd uintptr) bool {
		c.n, c.err = syscall.Read(int(fd), c.into)
		return true
	}
	return c
}

func (c *pollingConn) Read(into []byte) (int, error) {
	start := time.Now()
	if c.lastShort && c.worthIt(start) {
		if n := c.spin(into, start); n > 0 {
			c.missed = max(c.missed-1, 0)
			return n, nil
		}
	}
	n, err := c.Conn.Read(into)
	c.lastShort = time.Since(start) < shortWait
	return n, err
}

// worthIt reports whether polls in this period have not failed too often.
func (c *pollingConn) worthIt(now time.Time) bool {
	if period := now.UnixNano() >> periodBits; period != c.period {
		c.period, c.missed = period, 0
	}
	return c.missed < maxMisses
}

// spin polls for data and returns the number of bytes read. If it returns 0, the
// caller calls the connection's own Read, which also reports errors.
func (c *pollingConn) spin(into []byte, start time.Time) int {
	defer spinning.Add(-1)
	if spinning.Add(1) > c.most {
		return 0
	}
	c.into = into
	defer func() { c.into = nil }()
	for {
		if c.raw.Read(c.tryRead) != nil {
			return 0
		}
		if c.err != syscall.EAGAIN && c.err != syscall.EINTR {
			return max(c.n, 0)
		}
		if time.Since(start) > spinTime {
			c.missed++
			return 0
		}
		runtime.Gosched()
	}
}
