//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

// #include "guest.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"
)

// ticker advances the epochs of an engine every millisecond, at which each running guest calls
// airhostEpoch. It is closed when the engine has no instance left.
type ticker struct {
	used, resting *atomic.Uint32 // shared with C's thread
	pinned        runtime.Pinner
	c             *C.airhost_ticker
}

// start starts the thread.
func (t *ticker) start(e, other *wasmtime.Engine) error {
	ticks := new(C.airhost_ticks)
	t.used, t.resting = (*atomic.Uint32)(unsafe.Pointer(&ticks.used)), (*atomic.Uint32)(unsafe.Pointer(&ticks.resting))
	t.pinned.Pin(ticks)
	if t.c = C.airhost_ticker_new(enginePointer(e), enginePointer(other), ticks); t.c == nil {
		t.pinned.Unpin()
		return errNoMemory
	}
	return nil
}

// use keeps the ticker awake. Each call of a guest calls it, and each epoch.
func (t *ticker) use() {
	if t.used.Load() != 0 {
		return
	}
	t.used.Store(1)
	if t.resting.Load() != 0 {
		t.wake()
	}
}

func (t *ticker) wake() { C.airhost_ticker_wake(t.c) }

// close ends the thread.
func (t *ticker) close() {
	C.airhost_ticker_free(t.c)
	t.pinned.Unpin()
}
