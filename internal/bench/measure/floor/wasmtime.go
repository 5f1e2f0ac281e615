//go:build cgo && (linux || darwin) && (amd64 || arm64)

package floor

// #include <stdlib.h>
// #include "wasmtime.h"
import "C"

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	_ "github.com/bytecodealliance/wasmtime-go/v39" // brings the library

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// Wasmtime is the floor of Wasmtime, by its fastest calls: unchecked ones from C,
// which Go calls once for each call into a guest, and a host function in C. Of
// airhost's engine it uses nothing but the declarations.
type Wasmtime struct {
	name                string
	intoHost, intoGuest int
	guests              *C.floor_guests
	turns               [2]wasmtimeTurn
	payload, response   []byte
}

// wasmtimeTurn is one call into a guest.
type wasmtimeTurn struct {
	guest C.uintptr_t
	relay C.bool
}

// NewWasmtime is [NewWazero] for Wasmtime.
func NewWasmtime(module []byte, pattern cells.Pattern, payload int) (*Wasmtime, error) {
	f := &Wasmtime{
		name:    fmt.Sprintf("floor of wasmtime, %s, %d B", pattern, payload),
		guests:  (*C.floor_guests)(C.calloc(1, C.sizeof_floor_guests)),
		payload: bytes.Repeat([]byte{0xa5}, payload), response: make([]byte, payload),
	}
	f.intoHost, f.intoGuest = crossings(pattern)
	if C.floor_open(f.guests, (*C.uint8_t)(unsafe.SliceData(module)), C.size_t(len(module)), C.size_t(payload), place) != 0 {
		return nil, errors.Join(fmt.Errorf("%s: the floor module is not what it should be", f.name), f.Close())
	}
	a, b := number(&f.guests.guests[0]), number(&f.guests.guests[1])
	switch pattern {
	case cells.FireAndForget:
		f.turns = [2]wasmtimeTurn{{a, true}, {b, true}}
	case cells.RequestResponse:
		f.turns = [2]wasmtimeTurn{{a, true}, {b, false}}
	default:
		f.turns = [2]wasmtimeTurn{{a, false}, {a, false}}
	}
	return f, nil
}

func number(g *C.floor_guest) C.uintptr_t { return C.uintptr_t(uintptr(unsafe.Pointer(g))) }

// Name names the engine.
func (f *Wasmtime) Name() string { return f.name }

// Close releases the engine.
func (f *Wasmtime) Close() error {
	C.floor_close(f.guests)
	C.free(unsafe.Pointer(f.guests))
	return nil
}

// Run does n operations.
func (f *Wasmtime) Run(_ context.Context, n int) (time.Duration, error) {
	payload, response := (*C.uint8_t)(unsafe.SliceData(f.payload)), (*C.uint8_t)(unsafe.SliceData(f.response))
	start := time.Now()
	for i := range n * f.intoGuest {
		t := &f.turns[i&1]
		if C.floor_call(t.guest, t.relay, place, payload, response) != 0 {
			return 0, errOutOfRange
		}
	}
	return time.Since(start), nil
}

// Verify is [Wazero.Verify].
func (f *Wasmtime) Verify(_ context.Context, n int) error {
	var takes int
	for i := range f.guests.guests {
		g := &f.guests.guests[i]
		if g.takes > 0 && !bytes.Equal(unsafe.Slice((*byte)(g.taken), len(f.payload)), f.payload) {
			return errOtherBytes
		}
		takes += int(g.takes)
		g.takes = 0
	}
	if err := check(takes, n*f.intoHost); err != nil {
		return err
	}
	if !bytes.Equal(f.response, f.payload) {
		return errOtherBytes
	}
	clear(f.response)
	return nil
}
