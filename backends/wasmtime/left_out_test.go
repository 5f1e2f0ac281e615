//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package wasmtime_test

import (
	"errors"
	"testing"

	"go.uber.org/fx"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
)

func TestLeftOut(t *testing.T) {
	e, err := wasmtime.New(wasmtime.Config{})
	if wasmtime.Available || e != nil || !errors.Is(err, wasmtime.ErrLeftOut) {
		t.Errorf("got %v, %v (available: %t), want ErrLeftOut", e, err, wasmtime.Available)
	}
}

// TestModuleLeftOut: an application that wants the engine fails to start with ErrLeftOut.
func TestModuleLeftOut(t *testing.T) {
	type engines struct {
		fx.In
		All []core.Engine `group:"engines"`
	}
	app := fx.New(fx.NopLogger, wasmtime.Module, fx.Supply(wasmtime.Config{}), fx.Invoke(func(engines) {}))
	if !errors.Is(app.Err(), wasmtime.ErrLeftOut) {
		t.Errorf("got %v, want ErrLeftOut", app.Err())
	}
}
