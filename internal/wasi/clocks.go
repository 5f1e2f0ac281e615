package wasi

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"time"
)

// began is the origin of the monotonic clock.
var began = time.Now()

// resolution is that of both clocks, in nanoseconds.
const resolution = uint64(time.Microsecond)

func monotonic() time.Duration { return time.Since(began) }

// durationOf returns a number of nanoseconds, or the longest duration.
func durationOf(nanoseconds uint64) time.Duration {
	return time.Duration(min(nanoseconds, math.MaxInt64))
}

// after returns the time of the monotonic clock in so many nanoseconds.
func after(nanoseconds uint64) time.Duration {
	return durationOf(min(nanoseconds, math.MaxInt64) + uint64(monotonic()))
}

// nanoseconds returns a time since the Unix epoch, or 0 if it is not known or before that.
func nanoseconds(t time.Time) uint64 {
	if t.IsZero() || t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixNano())
}

// timeOf returns the time of nanoseconds since the Unix epoch.
func timeOf(nanoseconds uint64) time.Time {
	return time.Unix(int64(nanoseconds/uint64(time.Second)), int64(nanoseconds%uint64(time.Second)))
}

func datetime(nanoseconds uint64) []any {
	return []any{nanoseconds / uint64(time.Second), nanoseconds % uint64(time.Second)}
}

// randomChunk is the number of random bytes between two checks for an interrupt.
const randomChunk = 64 << 10

// random fills b, a part of the guest's memory.
func (in *Instance) random(b []byte) {
	for len(b) > 0 {
		in.guest.GoOn()
		n := min(len(b), randomChunk)
		_, _ = rand.Read(b[:n]) // it never fails
		b = b[n:]
	}
}

func (in *Instance) randomNumber() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func randomBytes(c *call) any { return filling{c.args[0].(uint64), c.random} }
