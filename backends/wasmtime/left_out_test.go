//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package wasmtime_test

import (
	"errors"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
)

func TestLeftOut(t *testing.T) {
	e, err := wasmtime.New(wasmtime.Config{})
	if wasmtime.Available || e != nil || !errors.Is(err, wasmtime.ErrLeftOut) {
		t.Errorf("got %v, %v (available: %t), want ErrLeftOut", e, err, wasmtime.Available)
	}
}
