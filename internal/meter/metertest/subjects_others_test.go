//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package metertest

import (
	"testing"

	"github.com/airhost/airhost/internal/meter"
)

func onWasmtime(*testing.T, *meter.Result) (run timed, end func(), ok bool) { return nil, nil, false }

func wasmtimeSubjects(*testing.T, []*meter.Result) []subject { return nil }
