//go:build !linux

package sandbox

// readThread returns the zero value: this system has no thread clock, or one no
// finer than a scheduler's tick. Each stretch then counts in full, up to
// longestStretch.
func readThread() threadTime { return threadTime{} }
