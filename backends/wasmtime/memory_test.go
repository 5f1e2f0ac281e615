//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// place returns the address of a guest's memory.
func place(in core.Instance) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(wasmtime.Memory(in))))
}

// TestCloseMemories: the memories of small guests lie side by side, do not overlap, and
// are zeroed before another guest gets them.
func TestCloseMemories(t *testing.T) {
	const page, slot, guests = 64 << 10, 64<<10 + 64, 1200 // of three regions
	c := compile(t, newEngine(t, wasmtime.Config{}), enginetest.ActorWasm().Code, core.Limits{})
	env := core.Environment{ID: self, Host: sink{}}
	fresh, err := c.Instantiate(t.Context(), env)
	must(t, err)
	initial := bytes.Clone(wasmtime.Memory(fresh))
	all := []core.Instance{fresh}
	near := 0
	for i := range guests {
		in, err := c.Instantiate(t.Context(), env)
		must(t, err)
		if place(in) == place(all[i])+slot {
			near++
		}
		all = append(all, in)
	}
	if near < guests/2 { // slots that were used before come first, in any order
		t.Errorf("%d of %d guests have their memory beside that of the one before", near, guests)
	}
	for i, in := range all {
		memory := wasmtime.Memory(in)
		equal(t, "the size", len(memory), page)
		for j := range memory {
			memory[j] = byte(i)
		}
	}
	for i, in := range all {
		if n := bytes.Count(wasmtime.Memory(in), []byte{byte(i)}); n != page {
			t.Fatalf("guest %d has %d bytes of its own, want %d", i, n, page)
		}
		must(t, in.Close())
	}
	again, err := c.Instantiate(t.Context(), env)
	must(t, err)
	if !bytes.Equal(wasmtime.Memory(again), initial) {
		t.Error("a memory has bytes of the guest that had it before")
	}
	must(t, again.Close())
}

// TestCloseMemoryMoves: a small guest that grows keeps its memory's bytes, and grows to
// its limit.
func TestCloseMemoryMoves(t *testing.T) {
	limits := core.Limits{Memory: 1 << 20}
	c := compile(t, newEngine(t, wasmtime.Config{}), enginetest.ActorWasm().Code, limits)
	in := instantiate(t, c, core.Environment{Host: sink{}, Limits: limits})
	at := place(in)
	echo := func(size int) {
		t.Helper()
		message := bytes.Repeat([]byte("e0123456789"), size/11)
		var response []byte
		must(t, in.HandleMessage(self, message, &response))
		if !bytes.Equal(response, message[1:]) {
			t.Errorf("%d bytes came back as other ones", size)
		}
	}
	echo(110)
	equal(t, "the address before", place(in), at)
	echo(100_000)
	moved := place(in)
	if moved == at {
		t.Error("the memory is still in its slot")
	}
	echo(200_000)
	echo(110)
	equal(t, "the address after the move", place(in), moved)
	if n := len(wasmtime.Memory(in)); n > 1<<20 {
		t.Errorf("the memory has %d bytes, want 1 MiB at most", n)
	}
	trapOf(t, in.HandleMessage(self, make([]byte, 2<<20), nil), core.TrapFault)
}
