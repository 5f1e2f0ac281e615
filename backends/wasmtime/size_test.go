//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// largeActor is the actor with a memory that starts with two pages: Wasmtime makes the
// memory, and does not say when it grows.
func largeActor(t *testing.T) []byte {
	t.Helper()
	m, err := wasm.Parse(actor())
	must(t, err)
	m.Memories[0].Min = 2
	return m.Encode()
}

// growing returns a message that makes the actor allocate size bytes, and then obey another
// command, so that none of its addresses shows how it has grown.
func growing(size uint64, then byte) []byte {
	return append(binary.LittleEndian.AppendUint64([]byte{'m', 9, 'b'}, size), 1, then)
}

// TestMemorySize: the size is exact between calls, even if all calls were within one
// millisecond, and a guest that never returns tells how it has grown.
func TestMemorySize(t *testing.T) {
	const page, most = 64 << 10, 8 << 20
	for name, guest := range map[string]struct {
		code  []byte
		pages int64
	}{"close": {actor(), 1}, "large": {largeActor(t), 2}} {
		t.Run(name, func(t *testing.T) {
			in := open(t, guest.code, sink{}, core.Limits{Memory: most, MessageSize: most, HandlerTime: time.Minute, HandlerWallTime: time.Minute})
			sizer := in.(core.Sizer)
			equal(t, "the size at first", sizer.MemorySize(true), guest.pages*page)
			for size := uint64(page); size < most/2; size *= 2 {
				must(t, in.HandleMessage(self, growing(size, 'e'), nil))
				got := sizer.MemorySize(true)
				if got < int64(size) || got > int64(size)+4*page {
					t.Errorf("after %d bytes were allocated: %d", size, got)
				}
				equal(t, "the size for others", sizer.MemorySize(false), got)
			}
			ended := make(chan error)
			go func() { ended <- in.HandleMessage(self, growing(most-8*page, 'o'), nil) }()
			for sizer.MemorySize(false) < most-8*page {
				select {
				case err := <-ended:
					t.Fatalf("the size of a guest that ran for a minute is still %d: %v", sizer.MemorySize(true), err)
				default:
					runtime.Gosched()
				}
			}
			in.Interrupt()
			trapOf(t, <-ended, core.TrapHandler)
		})
	}
}
