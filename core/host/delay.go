package host

import "sync/atomic"

// spun takes the result of spin. The processor waits for that result before it adds
// it atomically, and begins nothing else meanwhile.
var spun atomic.Uint64

// spin multiplies n times, each time waiting for the result of the time before,
// which takes about a nanosecond.
//
//go:noinline
func spin(n int) {
	product := uint64(2*n + 1)
	for range n {
		product *= 0x9E3779B97F4A7C15
	}
	spun.Add(product)
}
