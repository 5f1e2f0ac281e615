//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func harness() enginetest.Harness {
	return enginetest.Harness{
		New:       func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) },
		Actor:     enginetest.ActorWasm(),
		Responder: enginetest.ResponderWasm(),
		Malformed: core.Source{Code: []byte("no WebAssembly")},
	}
}

func TestEngine(t *testing.T) { enginetest.Run(t, harness()) }

func TestWasm(t *testing.T) { enginetest.RunWasm(t, harness()) }
