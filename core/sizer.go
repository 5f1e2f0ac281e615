package core

// Sizer is an [Instance] that knows how much memory its guest has: the linear memory of
// WebAssembly, or the resident memory of a process. Guests in Go have none of their own.
type Sizer interface {
	Instance

	// MemorySize returns the size in bytes, or 0 if the engine cannot tell. It may be called from any goroutine, during
	// other calls too, until Close, and does not wait for the guest. If resting, the caller
	// sees to it that no call is in progress or begins meanwhile, and the size is exact.
	// Otherwise it may be the one of some milliseconds ago.
	MemorySize(resting bool) int64
}
