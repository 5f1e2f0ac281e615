//go:build cgo && linux && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// withName gives the function 1 of a module a name.
func withName(t *testing.T, code []byte, name string) []byte {
	t.Helper()
	m, err := wasm.Parse(code)
	must(t, err)
	names := append(wasm.AppendIndex([]byte{1, 1}, uint32(len(name))), name...) // one, of function 1
	m.Customs = append(m.Customs, wasm.Custom{Name: "name", After: 10,
		Data: slices.Concat(wasm.AppendIndex([]byte{1}, uint32(len(names))), names)})
	return m.Encode()
}

// TestLongNamesInADeepStack: the text of a trap takes no memory in proportion to the
// guest's names of functions. Each of them may occur in a stack ten thousand times.
func TestLongNamesInADeepStack(t *testing.T) {
	itself := withBody(t, 0x20, 0, 0x20, 0, 0x20, 0, 0x20, 0, 0x10, 1, 0x1a)
	code := withName(t, itself, string(bytes.Repeat([]byte("n"), 5_000)))
	for name, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 1 << 40}} {
		in := open(t, code, sink{}, limits)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		resident := peak(t)
		trapOf(t, in.HandleMessage(self, nil, nil), core.TrapStack)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%s: the trap took %d bytes of Go's memory, want at most 4 MiB", name, took)
		}
		if took := peak(t) - resident; measures && took > 64<<10 {
			t.Errorf("%s: the trap took %d KiB of memory, want at most 64 MiB", name, took)
		}
	}
}

// peak returns the most memory that the process has had since the last call, in KiB.
func peak(t *testing.T) (kib int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(rest, &kib)
	must(t, err)
	must(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // begins anew
	return kib
}

// For backends/wasmtime/trace_test.go: fails at a7ba88b with about 160 MiB.
func TestLongModuleNameInADeepStack(t *testing.T) {
	m, err := wasm.Parse(withBody(t, 0x20, 0, 0x20, 0, 0x20, 0, 0x20, 0, 0x10, 1, 0x1a)) // calls itself
	must(t, err)
	name := bytes.Repeat([]byte("m"), 5_000)
	body := append(wasm.AppendIndex(nil, uint32(len(name))), name...)
	m.Customs = append(m.Customs, wasm.Custom{Name: "name", After: 10,
		Data: slices.Concat(wasm.AppendIndex([]byte{0}, uint32(len(body))), body)})
	for kind, limits := range map[string]core.Limits{"no fuel": {}, "fuel": {Fuel: 1 << 40}} {
		in := open(t, m.Encode(), sink{}, limits)
		peak(t)
		resident := peak(t)
		trapOf(t, in.HandleMessage(self, nil, nil), core.TrapStack)
		if took := peak(t) - resident; measures && took > 64<<10 {
			t.Errorf("%s: the trap took %d KiB of memory, want at most 64 MiB", kind, took)
		}
	}
}
