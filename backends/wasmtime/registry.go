//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import (
	"sync"
	"sync/atomic"
)

// registry finds an instance by its handle, the number that C has for it: C must not
// keep pointers to Go's memory. Finding takes no lock.
type registry struct {
	chunks [1 << 14]atomic.Pointer[chunk]

	mu   sync.Mutex // guards the fields below
	free []uintptr
	next uintptr
}

type chunk [1024]atomic.Pointer[instance]

// instances are all live instances of this process.
var instances registry

func (r *registry) slot(handle uintptr) *atomic.Pointer[instance] {
	return &r.chunks[handle/1024].Load()[handle%1024]
}

func (r *registry) find(handle uintptr) *instance { return r.slot(handle).Load() }

// add returns a handle, or false if 16 million are in use.
func (r *registry) add(in *instance) (uintptr, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	handle := r.next
	if n := len(r.free); n > 0 {
		handle, r.free = r.free[n-1], r.free[:n-1]
	} else if r.next++; handle/1024 >= uintptr(len(r.chunks)) {
		r.next--
		return 0, false
	}
	if r.chunks[handle/1024].Load() == nil {
		r.chunks[handle/1024].Store(new(chunk))
	}
	r.slot(handle).Store(in)
	return handle, true
}

func (r *registry) remove(handle uintptr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slot(handle).Store(nil)
	r.free = append(r.free, handle)
}

// count returns the number of live instances.
func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(r.next) - len(r.free)
}
