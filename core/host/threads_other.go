//go:build !linux

package host

// threadsLeft does not know how many threads the system allows.
func threadsLeft() (n int, known bool) { return 0, false }
