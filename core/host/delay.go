package host

// spin multiplies n times, each time waiting for the result of the time before,
// which takes about a nanosecond.
//
//go:noinline
func spin(n int) {
	product := uint64(2*n + 1)
	for range n {
		product *= 0x9E3779B97F4A7C15
	}
	if product == 0 { // never, of odd numbers; but the compiler does not know
		panic("core/host: a product of odd numbers is 0")
	}
}
