//go:build !linux

package sandbox

// readThread tells nothing where a thread's clock is not to be had, or is no finer
// than a scheduler's tick: there each stretch counts as it is, up to longestStretch.
func readThread() threadTime { return threadTime{} }
