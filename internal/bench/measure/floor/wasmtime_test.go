//go:build cgo && (linux || darwin) && (amd64 || arm64)

package floor_test

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// others are the floors of engines that only some builds have.
func others(t *testing.T, pattern cells.Pattern, payload int) []sampling.Subject {
	t.Helper()
	f, err := floor.NewWasmtime(guests.Floor, pattern, payload)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return []sampling.Subject{f}
}

func TestWasmtimeRefusals(t *testing.T) {
	for name, module := range map[string][]byte{
		"no module":            []byte("nothing"),
		"another guest":        guests.PingPong,
		"a module without any": []byte("\x00asm\x01\x00\x00\x00"),
		"no exports but one":   []byte(memoryOnly),
	} {
		if f, err := floor.NewWasmtime(module, cells.Call, 64); err == nil {
			t.Errorf("%s: got no error", name)
			f.Close()
		}
	}
}
